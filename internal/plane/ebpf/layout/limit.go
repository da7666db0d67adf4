package layout

// Start are the sizes that maps begin with, Most those that they stop at, by their names: the others don't grow.
var Start = map[string]uint32{
	"switches": 4096, "bindings": 4096, "members": 4096, "counters": 4096, "peers": 1024,
	"policies": 4096, "acl_blocks": 4096, "acl_counts": 4096,
	"addresses": 1024, "neighbors": 1 << 12, "remotes": 1 << 16, "locals": 1 << 16, "watched": 1 << 16, "decaps": 1 << 14, "floods": 1 << 13, "chunks": 1 << 16,
	"routers": 1024, "segments": 1024, "gateways": 1024, "interfaces": 1024, "routes4": 4096, "routes6": 4096,
}

var Most = map[string]uint32{
	"switches": 1 << 20, "bindings": 1 << 18, "members": 1 << 18, "counters": 1 << 18, "peers": 1 << 16,
	"policies": 1 << 18, "acl_blocks": 1 << 22, "acl_counts": 1 << 20,
	"addresses": 1 << 16, "neighbors": 1 << 24, "remotes": 1 << 24, "locals": 1 << 24, "watched": 1 << 24, "decaps": 1 << 24, "floods": 1 << 21, "chunks": 1 << 22,
	"routers": 1 << 20, "segments": 1 << 20, "gateways": 1 << 20, "interfaces": 1 << 20, "routes4": 1 << 22, "routes6": 1 << 22,
}
