package ovsdb

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestMutationArithmetic compares with numbers of any size. It covers what
// ovsdb-server before 3.2 got wrong: a product of -1 and the least integer, and
// the death of the server by a product of a negative number and 0.
func TestMutationArithmetic(t *testing.T) {
	edges := rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, -2, -1, 0, 1, 2, math.MaxInt64 - 1, math.MaxInt64, 1 << 31, 3037000500})
	numbers := rapid.OneOf(edges, rapid.Int64())
	rapid.Check(t, func(t *rapid.T) {
		x, y := numbers.Draw(t, "x"), numbers.Draw(t, "y")
		m := Mutator(rapid.IntRange(int(MutateAdd), int(MutateMod)).Draw(t, "mutator"))
		got, err := m.onInt(x, y)
		bx, by, want := big.NewInt(x), big.NewInt(y), new(big.Int)
		switch m {
		case MutateAdd:
			want.Add(bx, by)
		case MutateSub:
			want.Sub(bx, by)
		case MutateMul:
			want.Mul(bx, by)
			if x > 0 && y > 0 && x == math.MaxInt64/y {
				if err == nil {
					t.Fatalf("got %d, which ovsdb-server refuses", got)
				}
				return
			}
		case MutateDiv, MutateMod:
			if y == 0 {
				if e := AsError(err); e == nil || e.Tag != "domain error" {
					t.Fatalf("got %d, %v", got, err)
				}
				return
			}
			if m == MutateDiv {
				want.Quo(bx, by)
			} else if want.Rem(bx, by); x == math.MinInt64 && y == -1 {
				want.SetUint64(math.MaxUint64) // C cannot compute it and refuses
			}
		}
		if want.IsInt64() != (err == nil) || err == nil && want.Int64() != got {
			t.Fatalf("got %d, %v; want %s", got, err, want)
		}
		if err != nil && AsError(err).Tag != "range error" {
			t.Fatalf("got %v", err)
		}
	})
}
