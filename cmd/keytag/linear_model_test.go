package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/anishathalye/porcupine"
)

// act is what is done with a key, or with its owner.
type act string

const (
	read     act = "viewerKey"
	verify   act = "verifyApiKey"
	rename   act = "rename"
	create   act = "create"
	revoke   act = "revoke"
	rotate   act = "rotate"
	suspend  act = "suspend"
	resume   act = "resume"
	disable  act = "disable the owner"
	enable   act = "enable the owner"
	noReturn     = math.MaxInt64
)

// step is the input of one operation. Those on an owner concern all of its keys.
type step struct {
	act     act
	key     int // by number in the history
	owner   int
	name    int // that a key gets
	replica int
}

func (s step) isRead() bool { return s.act == read || s.act == verify }

func (s step) onOwner() bool { return s.act == disable || s.act == enable }

// seen is the output. An operation whose answer was lost may have happened, at any time since.
type seen struct {
	refused bool // nothing was changed
	word    string
	name    int
}

// sort of words that a read answers, the first that is true of a key.
const (
	unknown   = "unknown"
	valid     = "valid"
	revoked   = "revoked"
	ended     = "ended"
	suspended = "suspended"
	disabled  = "disabled"
)

// life is what there is to know of a key.
type life struct {
	name                                      int
	born, revoked, ended, suspended, disabled bool
}

func (l life) word() string {
	switch {
	case !l.born:
		return unknown
	case l.revoked:
		return revoked
	case l.ended:
		return ended
	case l.suspended:
		return suspended
	case l.disabled:
		return disabled
	}
	return valid
}

// lives is the model of one key; what several keys share is checked of each.
var lives = porcupine.Model{
	Init: func() any { return life{} },
	Step: func(state, input, output any) (bool, any) {
		l, s, o := state.(life), input.(step), output.(seen)
		switch {
		case s.isRead():
			return o.word == l.word() && (o.word != valid || o.name == l.name), l
		case o.refused:
			return true, l
		}
		switch s.act {
		case create:
			l.born, l.name = true, o.name
		case rename:
			l.name = s.name
		case revoke:
			l.revoked = !l.ended
		case rotate:
			l.ended = !l.revoked
		case suspend, resume:
			l.suspended = s.act == suspend
		case disable, enable:
			l.disabled = s.act == disable
		}
		return true, l
	},
	DescribeOperation: func(input, output any) string { return describe(input.(step), output.(seen)) },
	DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
}

func describe(s step, o seen) string {
	text := fmt.Sprintf("%d: %s", s.replica, s.act)
	switch {
	case s.isRead():
		return fmt.Sprintf("%s → %s %d", text, o.word, o.name)
	case s.act == rename:
		text = fmt.Sprintf("%s %d", text, s.name)
	}
	if o.refused {
		text += " → refused"
	}
	return text
}

// ofKey are the operations of a history that concern a key.
func ofKey(history []porcupine.Operation, key, owner int) []porcupine.Operation {
	return slices.DeleteFunc(slices.Clone(history), func(o porcupine.Operation) bool {
		s := o.Input.(step)
		return s.onOwner() && s.owner != owner || !s.onOwner() && s.key != key
	})
}
