// Package output prints tables and JSON as the tools of Open vSwitch do: the same five formats
// of tables and three of values, to the byte.
//
// A Table is cells under headings; a Style says how it is to look; a Printer prints one table
// after the other, with what stands between them.
package output
