//go:build !keytaghooks

// Package minted tells tests which secrets were made. The program that is shipped tells nobody: only a build
// with the tag keytaghooks can.
package minted

// Note takes the text of a new secret.
func Note(string) {}
