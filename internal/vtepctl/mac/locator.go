package mac

import (
	"fmt"
	"strconv"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/session"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// DefaultEncap is the only encapsulation that there is.
const DefaultEncap = "vxlan_over_ipv4"

// Endpoint says where a MAC address is: the other end of a tunnel.
type Endpoint struct {
	Encap, IP string
	Key       int64 // VNI on this tunnel instead of the logical switch's
	HasKey    bool
	Exact     bool // without a key, only a locator without one is meant
}

var tunnelKeyOption = getopt.Option{Long: "tunnel-key", Arg: getopt.RequiredArg, ArgName: "VNI", Extra: true,
	Help: "the VNI on this tunnel, where it is not the logical switch's"}

// parseEndpoint makes one of the arguments [ENCAP] IP and of --tunnel-key.
func parseEndpoint(c *command.Call, args []string) (Endpoint, error) {
	e := Endpoint{Encap: DefaultEncap, IP: args[0]}
	if len(args) > 1 {
		e.Encap, e.IP = args[0], args[1]
	}
	if text, ok := c.Opt("tunnel-key"); ok {
		key, err := strconv.ParseInt(text, 10, 64)
		if err != nil || key < 0 || key > MaxVNI {
			return e, fmt.Errorf("--tunnel-key: \"%s\" is not a VNI (0 to %d)", text, MaxVNI)
		}
		e.Key, e.HasKey = key, true
	}
	return e, nil
}

// MaxVNI is the highest VXLAN network identifier.
const MaxVNI = 1<<24 - 1

// NeedLocators asks for all that LocatorAt and LocatorText look at.
func NeedLocators(n *session.Needs) {
	n.Named(hwvtep.TablePhysicalLocator, "encapsulation_type", "dst_ip", "tunnel_key")
}

// matches says whether a locator is the endpoint; without a key in e, whatever its key is.
func (e Endpoint) matches(loc *txn.Record) bool {
	if loc.Str("encapsulation_type") != e.Encap || loc.Str("dst_ip") != e.IP {
		return false
	}
	key := loc.Field("tunnel_key")
	if !e.HasKey {
		return !e.Exact || key.IsEmpty()
	}
	return key.Len() > 0 && key.Key(0).Int() == e.Key
}

func compareKeys(a, b *txn.Record) int {
	c := a.Table.Column("tunnel_key")
	return a.Get(c).Compare(b.Get(c), &c.Type)
}

// LocatorAt returns the locator of an endpoint, made if there is none.
func LocatorAt(x *txn.Txn, e Endpoint) *txn.Record {
	if loc := findLocator(x, e); loc != nil {
		// It goes when nothing refers to it any more: the transaction must fail if it has.
		x.VerifyNamed(loc, "dst_ip")
		return loc
	}
	loc := x.InsertNew(hwvtep.TablePhysicalLocator)
	x.SetString(loc, "dst_ip", e.IP)
	x.SetString(loc, "encapsulation_type", e.Encap)
	if e.HasKey {
		x.Set(loc, "tunnel_key", ovsdb.Scalar(ovsdb.IntAtom(e.Key)))
	}
	return loc
}

// findLocator returns the locator of an endpoint, or nil. Of several it prefers the one
// without a key, then the one with the lowest.
func findLocator(x *txn.Txn, e Endpoint) *txn.Record {
	var found *txn.Record
	for _, loc := range x.Indexed(hwvtep.TablePhysicalLocator, "encapsulation_type", "dst_ip").
		Find(ovsdb.Scalar(ovsdb.StringAtom(e.Encap)), ovsdb.Scalar(ovsdb.StringAtom(e.IP))) {
		if e.matches(loc) && (found == nil || compareKeys(loc, found) < 0) {
			found = loc
		}
	}
	return found
}

// LocatorText is the address of a locator, with its key if it has one.
func LocatorText(x *txn.Txn, u ovsdb.UUID) string {
	loc := x.Find(txn.TableNamed(hwvtep.TablePhysicalLocator), u)
	if loc == nil {
		return u.String()
	}
	text := loc.Str("dst_ip")
	if key := loc.Field("tunnel_key"); key.Len() > 0 {
		text += "/" + ovsdb.FormatAtom(key.Key(0), ovsdb.Integer)
	}
	return text
}
