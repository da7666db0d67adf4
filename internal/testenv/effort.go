package testenv

import (
	"os"
	"strconv"
	"testing"
)

// Effort says how much a test is to do: 1 by default, for a test that takes seconds;
// otherwise what VTEP_TEST_EFFORT says.
func Effort(t testing.TB) int {
	t.Helper()
	text := os.Getenv("VTEP_TEST_EFFORT")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("VTEP_TEST_EFFORT=%s is not a number", text)
	}
	return n
}
