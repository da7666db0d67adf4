package mcast

import (
	"container/heap"
	"time"
)

// alarm is something that is due at a time. One that is not set is off.
type alarm struct {
	due   func(now time.Time)
	at    time.Time
	place int // in alarms, from 1; 0: it is off
}

// alarms are those that are set, the next one first.
type alarms []*alarm

func (l alarms) Len() int           { return len(l) }
func (l alarms) Less(i, j int) bool { return l[i].at.Before(l[j].at) }
func (l alarms) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].place, l[j].place = i+1, j+1
}

func (l *alarms) Push(x any) {
	a := x.(*alarm)
	*l = append(*l, a)
	a.place = len(*l)
}

func (l *alarms) Pop() any {
	last := len(*l) - 1
	a := (*l)[last]
	(*l)[last] = nil
	*l, a.place = (*l)[:last], 0
	return a
}

// set has a ring at that time, and not when it would have before.
func (l *alarms) set(a *alarm, at time.Time) {
	if a.at = at; a.place > 0 {
		heap.Fix(l, a.place-1)
		return
	}
	heap.Push(l, a)
}

func (l *alarms) stop(a *alarm) {
	if a.place > 0 {
		heap.Remove(l, a.place-1)
	}
}

// pop takes one that is due; nil: none is.
func (l *alarms) pop(now time.Time) *alarm {
	if len(*l) == 0 || now.Before((*l)[0].at) {
		return nil
	}
	return heap.Pop(l).(*alarm)
}

func (l alarms) next() time.Time {
	if len(l) == 0 {
		return time.Time{}
	}
	return l[0].at
}
