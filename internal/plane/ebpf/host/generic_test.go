package host

import (
	"bytes"
	"testing"
)

func TestGenericHeader(t *testing.T) {
	if got := (genericHeader{3, 1}).Serialize(); !bytes.Equal(got, []byte{3, 1, 0, 0}) {
		t.Errorf("% x", got)
	}
}
