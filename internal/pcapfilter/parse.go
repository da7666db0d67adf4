package pcapfilter

import (
	"fmt"
	"strings"
)

// parser reads words from the left to the right.
type parser struct {
	words []string
	last  qualifiers // of the primitive before: "port 80 or 443" has them twice
}

// qualifiers say what an address or a number is of.
type qualifiers struct {
	proto string // ether, ip, ip6, arp, rarp, tcp, udp, sctp; "": any
	dir   string // src, dst, "src and dst"; "": either
	kind  string // host, net, port, portrange, proto; "": host
}

// split takes a text apart into words and signs.
func split(text string) (words []string) {
	word := ""
	flush := func() {
		if word != "" {
			words = append(words, word)
			word = ""
		}
	}
	signs := []string{"&&", "||", "<<", ">>", "<=", ">=", "!=", "==", "(", ")", "[", "]", "!", "<", ">", "=", "&", "|", "^", "+", "*", "%"}
	for text != "" {
		if strings.ContainsRune(" \t\n", rune(text[0])) {
			flush()
			text = text[1:]
			continue
		}
		sign := ""
		for _, s := range signs {
			if strings.HasPrefix(text, s) {
				sign = s
				break
			}
		}
		if sign != "" {
			flush()
			words = append(words, sign)
			text = text[len(sign):]
			continue
		}
		word += text[:1]
		text = text[1:]
	}
	flush()
	return words
}

func (p *parser) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

// second is the word after the next.
func (p *parser) second() string {
	if len(p.words) < 2 {
		return ""
	}
	return p.words[1]
}

func (p *parser) take() string {
	w := p.peek()
	if w != "" {
		p.words = p.words[1:]
	}
	return w
}

// accept takes the next word if it is one of these.
func (p *parser) accept(any ...string) bool {
	for _, w := range any {
		if p.peek() == w {
			p.take()
			return true
		}
	}
	return false
}

func unexpected(w string) error {
	if w == "" {
		return errEmpty
	}
	return fmt.Errorf("%q is not understood there", w)
}

// expression reads terms with "and" and "or" between, which bind alike, from the left.
func (p *parser) expression() (condition, error) {
	c, err := p.term()
	for err == nil {
		var d condition
		switch {
		case p.accept("and", "&&"):
			if d, err = p.term(); err == nil {
				c = both(c, d)
			}
		case p.accept("or", "||"):
			if d, err = p.term(); err == nil {
				c = either(c, d)
			}
		default:
			return c, nil
		}
	}
	return nil, err
}

func (p *parser) term() (condition, error) {
	if p.accept("not", "!") {
		c, err := p.term()
		if err != nil {
			return nil, err
		}
		return neither(c), nil
	}
	if p.peek() == "(" && !p.isComparison() {
		p.take()
		c, err := p.expression()
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("a %q is missing", ")")
		}
		return c, err
	}
	if p.isComparison() {
		return p.comparison()
	}
	return p.primitive()
}

// isComparison says whether a comparison of numbers begins here.
func (p *parser) isComparison() bool {
	if p.peek() != "(" {
		return isNumber(p.peek()) && isOperator(p.second()) || p.peek() == "len" || p.second() == "[" || isMinus(p.peek())
	}
	// With brackets one does if what is in them is a number.
	depth := 0
	for i, w := range p.words {
		switch w {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				return i+1 < len(p.words) && isOperator(p.words[i+1])
			}
		}
	}
	return false
}

func isMinus(w string) bool { return strings.HasPrefix(w, "-") }

func isOperator(w string) bool {
	switch w {
	case "<", ">", "<=", ">=", "=", "==", "!=", "&", "|", "^", "+", "*", "%", "<<", ">>", "-", "/":
		return true
	}
	return false
}
