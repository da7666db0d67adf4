// Package test runs the built binary end to end, against real peers: the C vtep-ctl,
// ovsdb-client, ovsdb-server and ovn-controller-vtep, Python's ovs.db.idl, and the kernel's
// vxlan device, in the network namespaces of package lab.
//
//	h1 eth0 ------ p0 +------+
//	                  | vtep | u0 --- underlay --- u0 [r1] vx5000 -- br5000 -- h3 eth0
//	h2 eth0 ------ p1 +------+                             vx5100 -- br5100 -- h4 eth0
//	   vlan100
//
// Every test has a world of its own: namespaces, directories, database, pins. The world
// checks at its end that nothing of it is left. Frames are read and written at h1, h2, h3,
// h4 and, with their outer headers, at u0 of r1.
//
// What must happen is awaited, by a replica of the database or by the frame itself, with a
// generous deadline; what must not happen is checked by a later frame on the same way, which
// has to arrive first. No result depends on how long something takes; where a test lets time
// pass, it is for traffic to flow (breathe), or because the measure is a rate (TestIdle).
package test
