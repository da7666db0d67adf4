package kernel

import (
	"testing"
)

func TestCheckKernel(t *testing.T) {
	for release, old := range map[string]bool{
		"5.15.0-91-generic": true, "6.0.19": true, "4.18": true,
		"6.1.0-50-cloud-amd64": false, "6.1": false, "6.12.117+deb13-amd64": false, "7.0.0-rc1": false, "10.2": false,
		"of this machine": false, // not known
	} {
		if err := CheckKernel(release); (err != nil) != old {
			t.Errorf("Linux %s: %v", release, err)
		}
	}
	want := "this kernel is Linux 6.0.19: Linux 6.1 or later is needed"
	if err := CheckKernel("6.0.19"); err == nil || err.Error() != want {
		t.Errorf("it says %v, not %q", err, want)
	}
}
