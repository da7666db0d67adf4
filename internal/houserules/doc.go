// Package houserules holds the project's rules as tests: who may import whom, that packages say
// what they are, which names no package has, and what no file of the tree contains.
package houserules
