package main

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/intent"
)

// registerTestACL adds the command that says which entry of an ACL a frame would match.
func (r *vtepRun) registerTestACL() {
	test := func(words []string) (v agent.ACLVerdict, err error) {
		ip, notIP := netip.ParseAddr(words[1])
		vlan, err := strconv.ParseUint(words[1], 10, 12)
		if err != nil && notIP != nil {
			return v, fmt.Errorf("%q is not a VLAN, or the address of an interface", words[1])
		}
		direction := intent.Ingress
		switch words[2] {
		case intent.Ingress.String():
		case intent.Egress.String():
			direction = intent.Egress
		default:
			return v, fmt.Errorf("%q is not %v or %v", words[2], intent.Ingress, intent.Egress)
		}
		a := r.agent.Load()
		if a == nil {
			return v, errStarting
		}
		if notIP == nil {
			return a.TestRouterACL(r.d.Context(), agent.RouterAddress{Router: words[0], IP: ip}, direction, words[3:])
		}
		return a.TestACL(r.d.Context(), intent.BindingKey{Port: words[0], VLAN: uint16(vlan)}, direction, words[3:])
	}
	const usage = "PORT|ROUTER VLAN|IP ingress|egress FRAME|FIELD=VALUE..."
	r.d.RegisterData("acl/test", usage, 4, 20, func(words []string) (string, error) {
		v, err := test(words)
		if err != nil {
			return "", err
		}
		return v.String(), nil
	}, func(words []string) (any, error) { return test(words) })
}
