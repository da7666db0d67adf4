package config

import (
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/getopt"
)

// Settings are the options that were given, with their arguments, wherever they were.
type Settings map[string][]string

// Record returns options that do as those given, and are noted here.
func (s Settings) Record(options []getopt.Option) []getopt.Option {
	recorded := slices.Clone(options)
	for i := range recorded {
		o := options[i]
		recorded[i].Set = func(arg string) error {
			if err := o.Set(arg); err != nil {
				return err
			}
			if o.Long != "" {
				s[o.Long] = append(s[o.Long], arg)
			}
			return nil
		}
	}
	return recorded
}

// Changed lists the options that have other arguments in next, sorted.
func (s Settings) Changed(next Settings) []string {
	names := map[string]struct{}{}
	for name, args := range s {
		if !slices.Equal(args, next[name]) {
			names[name] = struct{}{}
		}
	}
	for name, args := range next {
		if !slices.Equal(args, s[name]) {
			names[name] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
