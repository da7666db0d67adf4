package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/manual"
	"github.com/vtep/vtep/internal/testenv"
)

var update = flag.Bool("update", false, "write the manual pages anew")

// manualPages makes the manual pages of all programs but vtep-ctl, by the names of their files, from what
// describes the programs: what their help has, and the texts of manualtext_test.go.
func manualPages() map[string]string {
	pages := map[string]string{"vtep.8": overviewPage(), "vtep.yaml.5": configPage()}
	for _, p := range personalities() {
		if p.about == nil || slices.Contains(inOverview, p.name) {
			continue
		}
		about := p.about()
		name, number := strings.ReplaceAll(about.Name, " ", "-"), 8
		if strings.HasPrefix(name, "ovsdb-") {
			number = 1
		}
		pages[name+"."+strconv.Itoa(number)] = programPage(name, number, about)
	}
	return pages
}

// inOverview are personalities without a page of their own: vtep(8) says all of them.
var inOverview = []string{"schema", "version", "help", "completion"}

func programPage(name string, number int, about *getopt.Program) string {
	page := manual.New(name, number, about.Brief, about.Name, about.Usage...)
	page.Section("DESCRIPTION", manualText[name].description...)
	if len(about.Notes) > 0 {
		notes := strings.Join(about.Notes, " ")
		page.Paragraph(strings.ToUpper(notes[:1]) + notes[1:])
	}
	if len(about.Commands) > 0 {
		page.Section("COMMANDS")
		for i := range about.Commands {
			if c := &about.Commands[i]; c.Help != "" {
				page.Item(c.Synopsis(), getopt.Sentence(c.Help))
			}
		}
	}
	none := func(*getopt.Option) string { return "" }
	page.Section("OPTIONS")
	page.Options(about.Options, none)
	if !slices.ContainsFunc(about.Options, func(o getopt.Option) bool { return o.Long == "help" && o.Help != "" }) {
		page.Item("-h, --help", "Print a summary of this page.")
	}
	if len(about.Daemon) > 0 {
		page.Subsection("Daemon and logging options", "")
		page.Options(about.Daemon, none)
	}
	manualText[name].rest(page)
	return page.String()
}

func overviewPage() string {
	page := manual.New("vtep", 8, "a VXLAN tunnel endpoint driven through OVSDB", "vtep", "COMMAND [ARG]...")
	page.Section("DESCRIPTION", manualText["vtep"].description...)
	page.Section("COMMANDS")
	for _, p := range personalities() {
		text := getopt.Sentence(p.summary)
		if !slices.Contains(inOverview, p.name) {
			text += " See " + pageOf(&p) + "."
		}
		page.Item(p.name, text)
	}
	page.Section("COMPLETION", strings.Join(completionProgram().Notes, " "))
	manualText["vtep"].rest(page)
	return page.String()
}

// pageOf names the page of a personality.
func pageOf(p *personality) string {
	switch {
	case strings.HasPrefix(p.link, "ovsdb-"):
		return p.link + "(1)"
	case p.link != "":
		return p.link + "(8)"
	}
	return "vtep-" + p.name + "(8)"
}

func configPage() string {
	page := manual.New("vtep.yaml", 5, "options of a VTEP", "/etc/vtep/PS-NAME.yaml", "")
	page.Section("DESCRIPTION", manualText["vtep.yaml"].description...)
	page.Section("KEYS")
	options := newVTEP().fileOptions(new([]string))
	for i := range options {
		o := &options[i]
		if o.Help == "" {
			continue
		}
		value := o.ArgName
		switch {
		case o.Arg == getopt.NoArg:
			value = "true|false"
		case o.Repeatable:
			value = "[" + value + ", ...]"
		}
		page.Item(o.Long+": "+value, getopt.Sentence(o.Help))
	}
	manualText["vtep.yaml"].rest(page)
	return page.String()
}

// TestManual checks that the committed manual pages are those that the tables make: "make generate"
// writes them. There is one for every program, and each has all that its help has.
func TestManual(t *testing.T) {
	for _, name := range []string{"OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR", "OVS_PKGDATADIR"} {
		t.Setenv(name, "") // pages have the defaults
	}
	dir := filepath.Join(testenv.Tree(t), "docs", "man")
	pages := manualPages()
	for name, page := range pages {
		path := filepath.Join(dir, name)
		if *update {
			if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if committed, err := os.ReadFile(path); err != nil || string(committed) != page {
			t.Errorf("%s is not up to date: make generate (%v)", path, err)
		}
	}
	committed, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range committed {
		if name := filepath.Base(path); pages[name] == "" && name != "vtep-ctl.8" {
			t.Errorf("%s is the page of no program", path)
		}
	}
	for _, p := range personalities() {
		name, number, _ := strings.Cut(strings.TrimSuffix(pageOf(&p), ")"), "(")
		if p.about == nil || slices.Contains(inOverview, p.name) {
			continue
		}
		text := strings.ReplaceAll(pages[name+"."+number], `\-`, "-")
		for _, o := range p.about().All() {
			if o.Help != "" && (!strings.Contains(text, o.Names()) || !strings.Contains(text, strings.ReplaceAll(o.Help[1:], `\`, `\e`))) {
				t.Errorf("%s: --%s is not in its page", p.name, o.Long)
			}
		}
		if manualText[name].description == nil {
			t.Errorf("%s: its page has no description", name)
		}
	}
	for name := range manualText {
		if pages[name+".1"]+pages[name+".5"]+pages[name+".8"] == "" {
			t.Errorf("there is text for %s, which is no program", name)
		}
	}
}

// TestManualInRoff has a real roff format all pages: it has nothing to complain of.
func TestManualInRoff(t *testing.T) {
	groff := testenv.Program(t, "groff")
	committed, err := filepath.Glob(filepath.Join(testenv.Tree(t), "docs", "man", "*"))
	if err != nil || len(committed) < 10 {
		t.Fatalf("%d pages, %v", len(committed), err)
	}
	for _, path := range committed {
		cmd := exec.Command(groff, "-man", "-ww", "-z", path)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil || stderr.Len() > 0 {
			t.Errorf("%s: %v\n%s", path, err, &stderr)
		}
	}
}
