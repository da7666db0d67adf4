// Package ovn has OVN drive two VTEPs, with nothing of it left out: databases, ovn-northd, a
// hypervisor with Open vSwitch and ovn-controller, and an ovn-controller-vtep for each VTEP.
//
//	bm1 eth0 -- p0 [gw1] u0 --+          +-- u0 [hv] vm0 -- eth0 vm
//	                          +- fabric -+        |
//	bm2 eth0 -- p0 [gw2] u0 --+                   m0 -- m0 [central] databases, ovn-northd
//
// The databases of OVN are held by our ovsdb-server; the hypervisor comes to the southbound one
// by TLS, in the role of an ovn-controller, and may write what that may.
package ovn
