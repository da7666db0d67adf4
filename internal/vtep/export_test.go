package vtep

import (
	"slices"

	"github.com/vtep/vtep/internal/problem"
)

// Problems returns all that stand, sorted.
func (c *Compiler) Problems() []problem.Problem {
	all := make([]problem.Problem, 0, len(c.problems.standing))
	for s := range c.problems.standing {
		p, _ := c.problem(s)
		all = append(all, p)
	}
	slices.SortFunc(all, problem.Problem.Compare)
	return all
}
