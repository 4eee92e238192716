// Package telemetry holds what the program says about its own running: the
// logger, which never writes an API key, and the record of the HTTP request a
// context belongs to.
package telemetry
