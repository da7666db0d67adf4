package vtepctl

import (
	"fmt"
	"strconv"

	"github.com/vtep/vtep/internal/getopt"
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

var tunnelKeyOption = getopt.Option{Long: "tunnel-key", Arg: getopt.RequiredArg, ArgName: "VNI", Extra: true,
	Help: "the VNI on this tunnel, where it is not the logical switch's"}

// endpoint makes one of the arguments [ENCAP] IP and of --tunnel-key.
func parseEndpoint(c *call, args []string) (endpoint, error) {
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
	return a.get(c).Compare(b.get(c), &c.Type)
}

// locator returns the locator of an endpoint, made if there is none.
func locatorAt(x *txn, e endpoint) *record {
	if loc := findLocator(x, e); loc != nil {
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

// findLocator returns the locator of an endpoint, or nil. Of several it prefers the one
// without a key, then the one with the lowest.
func findLocator(x *txn, e endpoint) *record {
	var found *record
	for _, loc := range x.indexed(hwvtep.TablePhysicalLocator, "encapsulation_type", "dst_ip").
		find(ovsdb.Scalar(ovsdb.StringAtom(e.encap)), ovsdb.Scalar(ovsdb.StringAtom(e.ip))) {
		if e.matches(loc) && (found == nil || compareKeys(loc, found) < 0) {
			found = loc
		}
	}
	return found
}

// locatorText is the address of a locator, with its key if it has one.
func locatorText(x *txn, u ovsdb.UUID) string {
	loc := x.find(tableNamed(hwvtep.TablePhysicalLocator), u)
	if loc == nil {
		return u.String()
	}
	text := loc.str("dst_ip")
	if key := loc.field("tunnel_key"); key.Len() > 0 {
		text += "/" + ovsdb.FormatAtom(key.Key(0), ovsdb.Integer)
	}
	return text
}
