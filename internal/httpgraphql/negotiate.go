package httpgraphql

import (
	"mime"
	"strconv"
	"strings"
)

const (
	mediaJSON     = "application/json"
	mediaResponse = "application/graphql-response+json"
)

// preference says how well a media type is accepted. Higher is better, field by
// field in this order.
type preference struct {
	quality     float64
	specificity int // of the media range: 1 `*/*`, 2 `application/*`, 3 the type itself
	position    int // of the media range in the header: -1 for the first, -2 for the second
}

func (p preference) better(than preference) bool {
	if p.quality != than.quality {
		return p.quality > than.quality
	}
	if p.specificity != than.specificity {
		return p.specificity > than.specificity
	}
	return p.position > than.position
}

// negotiate chooses the media type of the response by the Accept header
// (RFC 9110 §12.5.1): application/json unless application/graphql-response+json
// is preferred. The result is false, with application/json, when neither is
// acceptable.
func negotiate(accept []string) (media string, acceptable bool) {
	header := strings.Join(accept, ",")
	if header == "*/*" || header == mediaJSON || strings.TrimSpace(header) == "" {
		return mediaJSON, true
	}
	var json, response preference
	position := 0
	for element := range strings.SplitSeq(header, ",") {
		position--
		media, parameters, err := mime.ParseMediaType(element)
		if err != nil || !utf8Charset(parameters) {
			continue
		}
		quality, ok := parseQuality(parameters)
		if !ok {
			continue
		}
		apply(&json, media, mediaJSON, preference{quality: quality, position: position})
		apply(&response, media, mediaResponse, preference{quality: quality, position: position})
	}
	switch {
	case response.quality > 0 && response.better(json):
		return mediaResponse, true
	case json.quality > 0:
		return mediaJSON, true
	}
	return mediaJSON, false
}

// apply lets a media range speak for a type, unless a more specific one has.
func apply(to *preference, mediaRange, media string, candidate preference) {
	switch mediaRange {
	case "*/*":
		candidate.specificity = 1
	case "application/*":
		candidate.specificity = 2
	case media:
		candidate.specificity = 3
	}
	if candidate.specificity > to.specificity {
		*to = candidate
	}
}

// parseQuality reads the weight of RFC 9110 §12.4.2, 1 when there is none.
func parseQuality(parameters map[string]string) (float64, bool) {
	text, found := parameters["q"]
	if !found {
		return 1, true
	}
	quality, err := strconv.ParseFloat(text, 64)
	return quality, err == nil && quality >= 0 && quality <= 1
}

// utf8Charset reports whether the parameters of a media type leave UTF-8 as the
// encoding.
func utf8Charset(parameters map[string]string) bool {
	charset, found := parameters["charset"]
	return !found || strings.EqualFold(charset, "utf-8")
}
