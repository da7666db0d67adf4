// Package lab builds the picture of the howto in network namespaces, so that a VTEP can be
// tried, shown and tested on one machine without touching its network.
package lab
