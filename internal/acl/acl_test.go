package acl_test

import (
	"math/rand/v2"
	"testing"

	"github.com/vtep/vtep/internal/acl"
	"github.com/vtep/vtep/internal/acl/acltest"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testenv"
)

// Whatever the entries and the frame, a Program decides as a look through the list does.
func TestProgramIsList(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	d := acltest.Dice{Rand: rand.New(rand.NewPCG(seed, 0))}
	var decided, denied, unreadable, later int
	frames := 200
	for pairs := 20_000 * testenv.Effort(t); pairs > 0; pairs -= frames {
		d.Wild, d.Wide, d.Strict = d.One(3), d.One(3), d.One(2)
		n := acltest.Pick(d, 0, 1, 3, 10, 63, 64, 65, 128, 200, 1000)
		if testenv.Effort(t) > 1 && d.One(100) {
			n = intent.MaxACLEntries
		}
		a := intent.ACL{Name: "a", Ingress: d.Entries(n), Egress: d.Entries(n / 3)}
		p := acl.Compile(a)
		for range frames {
			frame := d.Frame()
			f := acl.Read(frame)
			for _, direction := range []intent.Direction{intent.Ingress, intent.Egress} {
				got, want := p.Classify(direction, &f), acl.First(a.Entries(direction), &f)
				if got != want {
					t.Fatalf("%v, want %v, for %x among %d entries of %v: %v", got, want, frame, n, direction, a.Entries(direction))
				}
				if want.Entry != acl.None {
					decided++
				}
				if want.Entry > 64 {
					later++
				}
				if want.Deny {
					denied++
				}
				if want.Unreadable {
					unreadable++
				}
			}
		}
		back, err := acl.Decode(acl.Encode(a))
		if err != nil || !back.Equal(a) {
			t.Fatalf("decoded: %v, %v", back, err)
		}
	}
	t.Logf("%d decided, %d of them denied, %d unreadable, %d behind the 64th", decided, denied, unreadable, later)
	if decided == 0 || denied == 0 || unreadable == 0 || later == 0 {
		t.Error("the frames and the entries do not meet")
	}
}
