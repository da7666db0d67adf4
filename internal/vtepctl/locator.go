package vtepctl

import (
	"fmt"
	"strconv"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
)

// defaultEncap is the only encapsulation that there is.
const defaultEncap = "vxlan_over_ipv4"

// endpoint says where a MAC address is: the other end of a tunnel.
type endpoint struct {
	encap, ip string
	key       int64 // VNI on this tunnel instead of the logical switch's
	hasKey    bool
	exact     bool // without a key, only a locator without one is meant
}

var tunnelKeyOption = option{long: "tunnel-key", arg: requiredArg, argName: "VNI", extra: true,
	help: "the VNI on this tunnel, where it is not the logical switch's"}

// endpoint makes one of the arguments [ENCAP] IP and of --tunnel-key.
func (c *call) endpoint(args []string) (endpoint, error) {
	e := endpoint{encap: defaultEncap, ip: args[0]}
	if len(args) > 1 {
		e.encap, e.ip = args[0], args[1]
	}
	if text, ok := c.opt("tunnel-key"); ok {
		key, err := strconv.ParseInt(text, 10, 64)
		if err != nil || key < 0 || key > maxVNI {
			return e, fmt.Errorf("--tunnel-key: \"%s\" is not a VNI (0 to %d)", text, maxVNI)
		}
		e.key, e.hasKey = key, true
	}
	return e, nil
}

// maxVNI is the highest VXLAN network identifier.
const maxVNI = 1<<24 - 1

func needLocators(n *needs) {
	n.named(hwvtep.TablePhysicalLocator, "encapsulation_type", "dst_ip", "tunnel_key")
}

// matches says whether a locator is the endpoint; without a key in e, whatever its key is.
func (e endpoint) matches(loc *record) bool {
	if loc.str("encapsulation_type") != e.encap || loc.str("dst_ip") != e.ip {
		return false
	}
	key := loc.field("tunnel_key")
	if !e.hasKey {
		return !e.exact || key.IsEmpty()
	}
	return key.Len() > 0 && key.Key(0).Int() == e.key
}

func compareKeys(a, b *record) int {
	c := a.table.Column("tunnel_key")
	return order(a.get(c), b.get(c), &c.Type)
}

// locator returns the locator of an endpoint, made if there is none.
func (x *txn) locator(e endpoint) *record {
	if loc := x.findLocator(e); loc != nil {
		// It goes when nothing refers to it any more: the transaction must fail if it has.
		x.verifyNamed(loc, "dst_ip")
		return loc
	}
	loc := x.insertNew(hwvtep.TablePhysicalLocator)
	x.setString(loc, "dst_ip", e.ip)
	x.setString(loc, "encapsulation_type", e.encap)
	if e.hasKey {
		x.set(loc, "tunnel_key", ovsdb.Scalar(ovsdb.IntAtom(e.key)))
	}
	return loc
}
