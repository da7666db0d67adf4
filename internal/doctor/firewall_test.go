package doctor

import (
	"strings"
	"testing"
)

// rulesetOf wraps objects as "nft -j list ruleset" (version 1.0) prints them.
func rulesetOf(objects ...string) []byte {
	return []byte(`{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}, {"table": {"family": "inet", "name": "filter", "handle": 1}}, ` +
		strings.Join(objects, ", ") + `]}`)
}

// TestFirewall reads rules of nftables that let VXLAN through, and others.
func TestFirewall(t *testing.T) {
	input := func(policy string) string {
		return `{"chain": {"family": "inet", "table": "filter", "name": "input", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "` + policy + `"}}`
	}
	rule := func(expr string) string {
		return `{"rule": {"family": "inet", "table": "filter", "chain": "input", "handle": 4, "expr": [` + expr + `]}}`
	}
	const (
		vxlan = `{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 4789}}`
		ssh   = `{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}`
		from  = `{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "192.0.2.7"}}`
		count = `{"counter": {"packets": 12, "bytes": 345}}`
	)
	for name, c := range map[string]struct {
		objects []string
		level   Level
		text    string
	}{
		"empty":          {[]string{input("accept")}, OK, "no plain rule"},
		"dropped":        {[]string{input("accept"), rule(vxlan + `, ` + count + `, {"drop": null}`)}, Bad, "at input it drops UDP port 4789, 12 packets so far"},
		"rejected":       {[]string{input("accept"), rule(vxlan + `, {"reject": {"type": "icmpx", "expr": "port-unreachable"}}`)}, Bad, "drops UDP port 4789"},
		"accepted":       {[]string{input("drop"), rule(vxlan + `, {"accept": null}`)}, OK, "no plain rule"},
		"accepted first": {[]string{input("drop"), rule(vxlan + `, {"accept": null}`), rule(`{"drop": null}`)}, OK, "no plain rule"},
		"all dropped":    {[]string{input("accept"), rule(ssh + `, {"accept": null}`), rule(count + `, {"drop": null}`)}, Bad, "12 packets"},
		"policy":         {[]string{input("drop"), rule(ssh + `, {"accept": null}`)}, Warn, "no plain rule is about UDP port 4789"},
		"of one source":  {[]string{input("accept"), rule(from + `, ` + vxlan + `, {"drop": null}`)}, OK, "no plain rule"},
		"no hook":        {[]string{strings.ReplaceAll(input("accept"), `"hook": "input", `, ""), rule(vxlan + `, {"drop": null}`)}, OK, "no plain rule"},
	} {
		got := nftFindings(rulesetOf(c.objects...), 4789)
		if len(got) != 1 || got[0].Level != c.level || !strings.Contains(got[0].Text, c.text) {
			t.Errorf("%s: %v", name, got)
		}
		if got[0].Level != OK && got[0].Remedy == "" {
			t.Errorf("%s: there is no remedy", name)
		}
	}
	if got := nftFindings([]byte("nonsense"), 4789); len(got) != 1 || got[0].Level != Warn {
		t.Errorf("nonsense: %v", got)
	}
}

// TestWorst orders levels.
func TestWorst(t *testing.T) {
	for want, all := range map[Level][]Finding{OK: nil, Note: {{Level: OK}, {Level: Note}}, Bad: {{Level: Warn}, {Level: Bad}, {Level: OK}}} {
		if got := Worst(all); got != want {
			t.Errorf("the worst of %v is %s", all, got)
		}
	}
}
