//go:build race

package simulation

// raceDetector says that the race detector is there, which makes everything slow.
const raceDetector = true
