// Package host knows the machine that the plane runs on, in one network namespace and by netlink: a
// mirror of its devices, addresses and default routes, and answers about routes, rules, next hops,
// path MTUs, policies of IPsec and what netfilter has on the way. It makes the vxlan device and
// changes the settings of ports. It knows no BPF, and nothing of what the plane is to do.
package host
