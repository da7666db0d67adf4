// Package completion is the part of completing command lines that is the same for all programs:
// the scripts that make bash, zsh and fish ask, what these hand over, and what they want back.
//
// A script calls "PROGRAM __complete SHELL WORD...", where the last word is the one to complete.
// The answer has a line for each candidate, with a description after a tab; a line that begins with
// a tab asks for names of files. bash hands over the line instead of words, because it takes words
// apart at "=" and ":"; for the same reason it wants only what comes after the last of these.
package completion

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Candidate is something that a word may be completed to.
type Candidate struct {
	Word  string
	About string // empty: it speaks for itself
}

// Words are what was typed after the program's name, of the arguments that a script gave. The last one is
// to be completed; it may be empty.
func Words(shell string, args []string) []string {
	if shell == "bash" && len(args) == 1 {
		args = split(args[0])
		args = args[min(1, len(args)):]
	}
	if len(args) == 0 {
		return []string{""}
	}
	return args
}

// Print answers a script: with those of the candidates that begin like word, and with names of
// files, if these are candidates too.
func Print(w io.Writer, shell, word string, candidates []Candidate, files bool) {
	candidates = slices.DeleteFunc(candidates, func(c Candidate) bool {
		return !strings.HasPrefix(c.Word, word) || strings.Contains(c.Word, "\n")
	})
	slices.SortFunc(candidates, func(a, b Candidate) int { return strings.Compare(a.Word, b.Word) })
	candidates = slices.CompactFunc(candidates, func(a, b Candidate) bool { return a.Word == b.Word })
	for _, c := range candidates {
		text := c.Word
		if shell == "bash" {
			text = quote(text[strings.LastIndexAny(word, "=:")+1:])
		}
		if c.About != "" {
			text += "\t" + c.About
		}
		fmt.Fprintln(w, text)
	}
	if files && shell != "bash" { // which takes them where there is nothing else
		fmt.Fprintln(w, "\tfiles")
	}
}

// split splits a line that is being typed into words, the last of which may be empty; quotes and
// backslashes are undone.
func split(line string) []string {
	var words []string
	var b strings.Builder
	mark, inWord := byte(0), false
	for i := 0; i < len(line); i++ {
		ch := line[i]
		switch {
		case mark != 0 && ch == mark:
			mark = 0
		case ch == '\\' && mark != '\'' && i+1 < len(line):
			i++
			b.WriteByte(line[i])
			inWord = true
		case mark != 0:
			b.WriteByte(ch)
		case ch == '\'' || ch == '"':
			mark, inWord = ch, true
		case ch == ' ' || ch == '\t':
			if inWord {
				words = append(words, b.String())
				b.Reset()
			}
			inWord = false
		default:
			b.WriteByte(ch)
			inWord = true
		}
	}
	return append(words, b.String())
}

// quote quotes a word for a shell where it needs it.
func quote(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(" \t\\'\"`$&|;<>()*?[]{}!#~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
