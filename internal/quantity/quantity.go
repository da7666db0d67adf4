// Package quantity writes numbers as people read them: short, with a prefix or in the two greatest units.
package quantity

import (
	"fmt"
	"strings"
	"time"
)

// Number is a quantity with its prefix: 12.3k.
func Number(n float64) string {
	for _, prefix := range []string{"", "k", "M", "G", "T"} {
		if n < 999.5 {
			if prefix == "" {
				return fmt.Sprintf("%.0f", n)
			}
			return fmt.Sprintf("%.1f%s", n, prefix)
		}
		n /= 1000
	}
	return fmt.Sprintf("%.0fP", n)
}

// Of is a number of things, of which one has that name: 1 row, 2 rows, 3 switches.
func Of[N int | uint64](n N, name string) string {
	switch {
	case n == 1:
		return "1 " + name
	case strings.HasSuffix(name, "ch"):
		name += "es"
	default:
		name += "s"
	}
	return fmt.Sprintf("%d %s", n, name)
}

// Bytes is an amount of memory: 1.5 KiB.
func Bytes(n float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 1023.5 {
			return fmt.Sprintf("%.4g %s", n, unit)
		}
		n /= 1024
	}
	return fmt.Sprintf("%.1f TiB", n)
}

// Span is a time in its two greatest units.
func Span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}
