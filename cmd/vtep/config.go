package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/config"
	"github.com/vtep/vtep/internal/getopt"
)

// notInFile are options that make no sense in a configuration file.
var notInFile = []string{"config", "help", "version"}

// parse reads the command line, and the configuration file that it names. What the command line says
// counts more; of an option that can be repeated, all of it.
func (r *vtepRun) parse(args []string) error {
	r.args = args
	r.settings = config.Settings{}
	names, err := getopt.Parse(args, r.settings.Record(append(r.options(), r.d.Options()...)))
	if err != nil {
		return err
	}
	if r.dir == "" { // all is read again when this may be another one
		if r.dir, err = os.Getwd(); err != nil {
			return fmt.Errorf("find the directory: %w", err)
		}
	}
	if r.configFile == "" {
		return first(r.check(names))
	}
	anchor(r.dir, &r.configFile)
	file, err := config.Read(r.configFile, sectionOfEVPN)
	if err != nil {
		return err
	}
	said := r.settings
	r.settings = config.Settings{}
	err = file.Apply(r.settings.Record(r.fileOptions(&names)), func(name string) bool {
		return said[name] != nil || name == "switch" && len(names) > 0
	})
	for name, args := range said {
		r.settings[name] = args
	}
	wrong := []error{err}
	for _, other := range r.check(names) {
		// What is about no option may follow from what the file does not say rightly.
		if err == nil || strings.HasPrefix(other.Error(), "--") {
			wrong = append(wrong, other)
		}
	}
	return file.Place(wrong...)
}

func first(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// fileOptions are those that a configuration file may have; the name of the switch goes to names.
func (r *vtepRun) fileOptions(names *[]string) []getopt.Option {
	options := append([]getopt.Option{
		{Long: "switch", Arg: getopt.RequiredArg, ArgName: "PS-NAME", Help: "the name of the Physical_Switch, where the command line has none",
			Set: func(arg string) error { *names = append(*names, arg); return nil }},
	}, append(r.options(), r.d.Options()...)...)
	return slices.DeleteFunc(options, func(o getopt.Option) bool { return slices.Contains(notInFile, o.Long) })
}

func configOption(p *string) getopt.Option {
	return getopt.Option{Long: "config", Arg: getopt.RequiredArg, ArgName: "FILE", Help: "read options from this YAML file, too; SIGHUP reads it again", Extra: true,
		Set: func(arg string) error {
			if arg == "" {
				return fmt.Errorf("the name of the file is empty")
			}
			*p = arg
			return nil
		}}
}
