package houserules

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// group is a row of the table in ARCHITECTURE.md. A package belongs to the first group with a
// matching name; "x/*" matches what is below x.
type group struct {
	name     string
	packages []string
	may      []string // packages of this module, as above, or names of groups
	modules  []string // other modules
}

const sys = "golang.org/x/sys"

var groups = []group{
	{
		name: "tests only",
		packages: []string{"bench", "internal/testenv", "internal/testnet", "internal/houserules", "internal/plane/planetest",
			"internal/acl/acltest", "internal/hwvtep/hwvteptest", "internal/ovsdb/ovsdbtest", "internal/ovsdb/storage/disktest", "test", "test/*"},
		may:     []string{"*"},
		modules: []string{"*"},
	},
	{
		name: "protocols",
		packages: []string{"internal/ovsdb", "internal/ovsdb/wire", "internal/ovsdb/ops", "internal/ovsdb/jsonrpc",
			"internal/ovsdb/stream", "internal/ovsdb/reconnect", "internal/ovsdb/client", "internal/openflow", "internal/bfd", "internal/igmp", "internal/packet"},
		may:     []string{"protocols"},
		modules: []string{sys},
	},
	{
		name:     "engines",
		packages: []string{"internal/ovsdb/db", "internal/ovsdb/storage", "internal/ovsdb/server", "internal/ovsdb/idl"},
		may:      []string{"protocols", "engines", "trim"},
		modules:  []string{sys, "golang.org/x/sync"},
	},
	{name: "rows", packages: []string{"internal/hwvtep", "internal/hwvtep/gen"}, may: []string{"internal/ovsdb", "internal/ovsdb/wire", "internal/ovsdb/ops"}},
	{name: "domain", packages: []string{"internal/intent"}, may: []string{"trim"}},
	{name: "domain", packages: []string{"internal/fdb", "internal/neighbor"}, may: []string{"internal/intent"}},
	{name: "domain", packages: []string{"internal/mcast"}, may: []string{"internal/intent", "internal/igmp"}},
	{name: "domain", packages: []string{"internal/acl"}, may: []string{"internal/intent"}},
	{name: "problem", packages: []string{"internal/problem"}},
	{name: "trim", packages: []string{"internal/trim", "internal/compact"}},
	{name: "getopt", packages: []string{"internal/getopt"}},
	{name: "quantity", packages: []string{"internal/quantity"}},
	{name: "completion", packages: []string{"internal/completion"}},
	{
		name: "domain", packages: []string{"internal/vtep"}, // values of OVSDB through hwvtep only
		may: []string{"internal/hwvtep", "internal/intent", "internal/fdb", "internal/plane", "problem", "trim"},
	},
	{name: "planes", packages: []string{"internal/plane"}, may: []string{"internal/intent", "problem"}},
	{
		name: "planes", packages: []string{"internal/plane/memory"},
		may: []string{"internal/intent", "internal/acl", "internal/plane", "problem", "internal/packet"},
	},
	{
		name: "planes", packages: []string{"internal/plane/ebpf/layout"}, // no kernel: what is to be in the maps
		may: []string{"internal/intent"},
	},
	{
		name: "planes", packages: []string{"internal/plane/ebpf/host"}, // no BPF, and no intent
		may:     []string{"problem"},
		modules: []string{sys, "github.com/vishvananda/netlink", "github.com/vishvananda/netns"},
	},
	{
		name: "planes", packages: []string{"internal/plane/ebpf/kernel"}, // no intent
		may:     []string{"internal/plane/ebpf/layout", "internal/plane/ebpf/host", "problem"},
		modules: []string{sys, "github.com/cilium/ebpf", "github.com/vishvananda/netlink"},
	},
	{
		name: "planes", packages: []string{"internal/plane/ebpf"},
		may:     []string{"internal/plane/ebpf/layout", "internal/plane/ebpf/host", "internal/plane/ebpf/kernel", "internal/intent", "internal/acl", "internal/plane", "problem", "internal/bfd", "internal/packet"},
		modules: []string{sys, "golang.org/x/net", "github.com/cilium/ebpf", "github.com/vishvananda/netlink", "github.com/vishvananda/netns"},
	},
	{
		name: "planes", packages: []string{"internal/plane/ovs"}, // it is a client of the database of Open vSwitch
		may: []string{"internal/intent", "internal/plane", "problem", "internal/packet", "internal/openflow", "internal/ovsdb", "internal/ovsdb/ops",
			"internal/ovsdb/idl"},
	},
	{
		name: "agent", packages: []string{"internal/agent"}, // never a concrete plane
		may: []string{"internal/hwvtep", "internal/intent", "internal/acl", "internal/fdb", "internal/mcast", "internal/neighbor", "internal/packet", "internal/vtep", "internal/plane", "internal/ovsdb/idl",
			"internal/ovsdb", "problem", "trim"},
	},
	{
		name: "nvc", packages: []string{"internal/nvc"}, // a client, like any other
		may: []string{"internal/hwvtep", "internal/ovsdb/idl", "internal/ovsdb/stream"},
	},
	{
		name: "evpn", packages: []string{"internal/evpn"}, // a client, like any other
		may:     []string{"internal/hwvtep", "internal/ovsdb/idl", "internal/ovsdb/stream", "internal/evpn/relay"},
		modules: []string{"github.com/osrg/gobgp/v4"},
	},
	{name: "evpn", packages: []string{"internal/evpn/relay"}, modules: []string{sys, "github.com/osrg/gobgp/v4"}},
	{
		name: "trace", packages: []string{"internal/trace"}, // by the memory plane's rules
		may: []string{"internal/agent", "internal/intent", "internal/packet", "internal/plane", "internal/plane/memory", "internal/vtep", "getopt", "problem"},
	},
	{name: "pcapfilter", packages: []string{"internal/pcapfilter"}},
	{
		name: "capture", packages: []string{"internal/capture"}, // it knows no agent
		may:     []string{"internal/intent", "internal/plane", "internal/pcapfilter", "internal/trace", "getopt"},
		modules: []string{"github.com/gopacket/gopacket"},
	},
	{
		name: "metrics", packages: []string{"internal/metrics"},
		may:     []string{"internal/agent", "internal/ovsdb/server", "internal/evpn", "problem", "http"},
		modules: []string{"github.com/prometheus/client_golang"},
	},
	{name: "http", packages: []string{"internal/httpserve"}, may: []string{"internal/ovsdb/stream"}},
	{
		name: "web", packages: []string{"internal/web"},
		may: []string{"internal/agent", "internal/hwvtep", "internal/intent", "internal/ovsdb", "internal/ovsdb/idl", "problem", "quantity", "http"},
	},
	{name: "tools", packages: []string{"internal/output"}, may: []string{"protocols"}},
	{name: "ctl core", packages: []string{"internal/vtepctl/argument"}, may: []string{"internal/hwvtep", "protocols"}},
	{name: "ctl core", packages: []string{"internal/vtepctl/session"}, may: []string{"internal/vtepctl/argument", "internal/hwvtep", "protocols"}},
	{
		name: "ctl core", packages: []string{"internal/vtepctl/txn"},
		may: []string{"internal/vtepctl/argument", "internal/vtepctl/session", "internal/hwvtep", "protocols"},
	},
	{
		name: "ctl core", packages: []string{"internal/vtepctl/command"}, // it knows no command
		may: []string{"ctl core", "getopt", "internal/output", "internal/hwvtep", "protocols"},
	},
	{
		name: "ctl commands", packages: []string{"internal/vtepctl/database", "internal/vtepctl/logical", "internal/vtepctl/manager", "internal/vtepctl/help"},
		may: []string{"ctl core", "getopt", "internal/output", "internal/hwvtep", "protocols"},
	},
	{
		name: "ctl commands", packages: []string{"internal/vtepctl/physical", "internal/vtepctl/mac"},
		may: []string{"ctl core", "internal/vtepctl/logical", "getopt", "internal/output", "internal/hwvtep", "protocols"},
	},
	{
		name: "ctl commands", packages: []string{"internal/vtepctl/overview", "internal/vtepctl/complete"},
		may: []string{"completion", "ctl core", "internal/vtepctl/physical", "internal/vtepctl/mac", "getopt", "internal/output", "internal/hwvtep", "protocols"},
	},
	{
		name: "ctl commands", packages: []string{"internal/vtepctl/apply"},
		may: []string{"ctl core", "internal/vtepctl/logical", "internal/vtepctl/physical", "internal/vtepctl/mac", "internal/vtepctl/manager",
			"getopt", "internal/output", "internal/hwvtep", "protocols"},
		modules: []string{"go.yaml.in/yaml/v3"},
	},
	{
		name: "tools", packages: []string{"internal/vtepctl"},
		may: []string{"completion", "ctl core", "ctl commands", "getopt", "internal/output", "internal/hwvtep", "protocols"},
	},
	{name: "generators", packages: []string{"internal/plane/ebpf/layout/gen"}, modules: []string{"github.com/cilium/ebpf"}},
	{name: "generators", packages: []string{"internal/manual"}, may: []string{"getopt"}},
	{name: "generators", packages: []string{"internal/vtepctl/man"}, may: []string{"internal/manual", "internal/vtepctl", "ctl core", "ctl commands", "getopt"}},
	{
		name: "tools", packages: []string{"internal/ovsdbtool"},
		may: []string{"getopt", "engines", "protocols", "internal/daemon"},
	},
	{
		name: "tools", packages: []string{"internal/ovsdbclient"},
		may:     []string{"getopt", "internal/output", "internal/ovsdbtool", "engines", "protocols", "internal/daemon"},
		modules: []string{sys},
	},
	{
		name: "doctor", packages: []string{"internal/doctor"},
		modules: []string{sys, "github.com/cilium/ebpf", "github.com/vishvananda/netlink"},
	},
	{name: "config", packages: []string{"internal/config"}, may: []string{"getopt"}, modules: []string{"go.yaml.in/yaml/v3"}},
	{name: "process", packages: []string{"internal/daemon"}, may: []string{"getopt"}, modules: []string{sys, "github.com/coreos/go-systemd/v22"}},
	{
		name: "process", packages: []string{"internal/namespace"},
		modules: []string{sys, "github.com/vishvananda/netlink", "github.com/vishvananda/netns"},
	},
	{
		name: "lab", packages: []string{"internal/lab", "internal/lab/*"},
		may:     []string{"internal/lab", "internal/namespace", "internal/daemon", "internal/packet", "getopt"},
		modules: []string{sys, "github.com/cilium/ebpf", "github.com/vishvananda/netlink"},
	},
	{name: "commands", packages: []string{"cmd/vtep"}, may: []string{"*"}, modules: []string{"*"}},
	{name: "scripts", packages: []string{"scripts/*"}},
}

func match(patterns []string, name string) bool {
	for _, p := range patterns {
		if p == "*" || p == name {
			return true
		}
		if below, ok := strings.CutSuffix(p, "/*"); ok && strings.HasPrefix(name, below+"/") {
			return true
		}
	}
	return false
}

func groupOf(name string) *group {
	for i := range groups {
		if match(groups[i].packages, name) {
			return &groups[i]
		}
	}
	return nil
}

// allows says whether a package of g may import the package of this module.
func (g *group) allows(name string) bool {
	if match(g.may, name) {
		return true
	}
	of := groupOf(name)
	return of != nil && match(g.may, of.name)
}

func (g *group) allowsModule(importPath string) bool {
	for _, m := range g.modules {
		if m == "*" || importPath == m || strings.HasPrefix(importPath, m+"/") {
			return true
		}
	}
	return false
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		g := groupOf(p.path)
		if g == nil {
			t.Errorf("%s is in no group: add it to the table in imports_test.go and in ARCHITECTURE.md", p.path)
			continue
		}
		for _, file := range p.files {
			for _, imported := range file.imports {
				within, ours := strings.CutPrefix(imported, module+"/")
				switch {
				case ours && groupOf(within) != nil && groupOf(within).name == "tests only" && g.name != "tests only":
					t.Errorf("%s imports %s, which is for tests only", file.path, within)
				case ours && !g.allows(within):
					t.Errorf("%s imports %s: packages of %q may not", file.path, within, g.name)
				case !ours && strings.Contains(strings.Split(imported, "/")[0], ".") && !g.allowsModule(imported):
					t.Errorf("%s imports %s: packages of %q may not", file.path, imported, g.name)
				}
			}
		}
	}
}

// TestGroups wants every row of the table to be about packages that exist.
func TestGroups(t *testing.T) {
	all := packages(t)
	for _, g := range groups {
		for _, pattern := range g.packages {
			if !slices.ContainsFunc(all, func(p *pkg) bool { return match([]string{pattern}, p.path) }) {
				t.Errorf("group %q is about %s, which is not there", g.name, pattern)
			}
		}
	}
}

// TestNames refuses packages that say nothing of what is in them.
func TestNames(t *testing.T) {
	for _, p := range packages(t) {
		switch name := path.Base(p.path); name {
		case "util", "utils", "common", "helper", "helpers", "types", "misc", "base", "shared", "lib":
			t.Errorf("%s: no package is called %s: name it after what it knows", p.path, name)
		}
	}
}

// TestPackageComments wants each package to say in one place what it is.
func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		comments := 0
		for _, file := range p.files {
			if file.comment != "" {
				comments++
			}
			if p.name != "main" && file.comment != "" && !strings.HasPrefix(file.comment, "Package "+p.name+" ") {
				t.Errorf("%s: the package comment does not begin with \"Package %s \"", file.path, p.name)
			}
		}
		if comments != 1 && len(p.files) > 0 {
			t.Errorf("%s has %d package comments, not one", p.path, comments)
		}
	}
}
