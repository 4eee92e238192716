# keytag alone in an image: one static binary, the certificates of public authorities, and a directory for SQLite.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN make build VERSION=$VERSION
RUN install -d -m 0700 /data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/bin/keytag /keytag
COPY --from=build --chown=65532:65532 /data /data
ENV KEYTAG_LISTEN=:8080
ENV KEYTAG_DATABASE_URL=sqlite:///data/keytag.db
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/keytag", "health"]
ENTRYPOINT ["/keytag"]
CMD ["serve"]
