package acl_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/vtep/vtep/internal/acl"
	"github.com/vtep/vtep/internal/acl/acltest"
	"github.com/vtep/vtep/internal/intent"
)

// What it takes to make a Program, and how large it is; masks are those of prefixes, or any.
func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{64, 1024, intent.MaxACLEntries} {
		for _, wild := range []bool{false, true} {
			b.Run(fmt.Sprintf("entries=%d/any-mask=%v", n, wild), func(b *testing.B) {
				d := acltest.Dice{Rand: rand.New(rand.NewPCG(1, 0)), Wild: wild, Wide: true}
				a := intent.ACL{Ingress: d.Entries(n)}
				var p acl.Program
				for b.Loop() {
					p = acl.Compile(a)
				}
				b.ReportMetric(float64(len(p)), "bytes")
			})
		}
	}
}
