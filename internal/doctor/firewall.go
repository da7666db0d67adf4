package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// firewall looks for rules of netfilter that drop packets of VXLAN. It knows what plain rules say; what
// sets, maps and jumps come to it leaves to the operator.
func firewall(s Subject) []Finding {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if path, err := exec.LookPath("nft"); err == nil {
		out, err := exec.CommandContext(ctx, path, "-j", "list", "ruleset").Output()
		if err != nil {
			return []Finding{finding(Warn, "firewall", "", "the rules can't be listed: "+err.Error(), "run vtep doctor as root")}
		}
		return nftFindings(out, s.UDPPort)
	}
	if b, err := os.ReadFile("/proc/net/ip_tables_names"); err == nil && len(b) > 0 {
		return []Finding{finding(Note, "firewall", "", "iptables has rules, which are not looked at", fmt.Sprintf("see that they let UDP port %d in and out: iptables-save", s.UDPPort))}
	}
	return []Finding{finding(Note, "firewall", "", "the program nft is not there: rules of nftables, if there are any, are not looked at", "install nftables, or see docs/underlay.md")}
}

// ruleset is what "nft -j list ruleset" prints, as far as it matters here.
type ruleset struct {
	Nftables []struct {
		Chain *struct{ Family, Table, Name, Hook, Policy string }
		Rule  *struct {
			Family, Table, Chain string
			Expr                 []map[string]json.RawMessage
		}
	}
}

func nftFindings(text []byte, port int) []Finding {
	var rules ruleset
	if err := json.Unmarshal(text, &rules); err != nil {
		return []Finding{finding(Warn, "firewall", "", "what nft lists can't be read: "+err.Error(), "")}
	}
	type chain struct{ family, table, name string }
	hooks, policies, decided := map[chain]string{}, map[chain]string{}, map[chain]bool{}
	var all []Finding
	for _, o := range rules.Nftables {
		if c := o.Chain; c != nil && c.Hook != "" && c.Family != "bridge" && c.Family != "arp" {
			hooks[chain{c.Family, c.Table, c.Name}], policies[chain{c.Family, c.Table, c.Name}] = c.Hook, c.Policy
		}
	}
	name := func(c chain) string { return "chain " + c.family + " " + c.table + " " + c.name }
	for _, o := range rules.Nftables {
		if o.Rule == nil {
			continue
		}
		c := chain{o.Rule.Family, o.Rule.Table, o.Rule.Chain}
		if hooks[c] == "" || decided[c] {
			continue
		}
		about, verdict, packets := readRule(o.Rule.Expr, port)
		if !about || verdict == "" {
			continue
		}
		decided[c] = true // the first rule that holds is it
		if verdict != "accept" {
			all = append(all, finding(Bad, "firewall", name(c), fmt.Sprintf("at %s it drops UDP port %d%s", hooks[c], port, packets),
				fmt.Sprintf("nft insert rule %s %s %s udp dport %d accept", c.family, c.table, c.name, port)))
		}
	}
	for c, policy := range policies {
		if policy == "drop" && !decided[c] && (hooks[c] == "input" || hooks[c] == "output" || hooks[c] == "prerouting") {
			all = append(all, finding(Warn, "firewall", name(c), fmt.Sprintf("at %s it drops what no rule accepts, and no plain rule is about UDP port %d", hooks[c], port),
				fmt.Sprintf("nft add rule %s %s %s udp dport %d accept", c.family, c.table, c.name, port)))
		}
	}
	if len(all) == 0 {
		all = append(all, finding(OK, "firewall", "", fmt.Sprintf("no plain rule of nftables drops UDP port %d", port), ""))
	}
	return all
}

// readRule says whether a rule holds for packets of VXLAN whatever else they are, and what it does with them.
func readRule(expr []map[string]json.RawMessage, port int) (about bool, verdict, packets string) {
	about = true
	for _, e := range expr {
		for kind, value := range e {
			switch kind {
			case "match":
				var m struct {
					Op   string
					Left struct {
						Payload struct{ Protocol, Field string }
						Meta    struct{ Key string }
					}
					Right any
				}
				if json.Unmarshal(value, &m) != nil {
					return false, "", ""
				}
				switch {
				case m.Left.Payload.Field == "dport" && (m.Left.Payload.Protocol == "udp" || m.Left.Payload.Protocol == "th") && m.Op == "==" && m.Right == float64(port):
				case m.Left.Meta.Key == "l4proto" && m.Right == "udp":
				default:
					about = false
				}
			case "counter":
				var c struct{ Packets int }
				if json.Unmarshal(value, &c) == nil && c.Packets > 0 {
					packets = fmt.Sprintf(", %d packets so far", c.Packets)
				}
			case "accept", "drop", "reject":
				verdict = kind
			}
		}
	}
	return about, verdict, packets
}
