package hwvtep

//go:generate go run ./gen
