package web

import (
	"net/http"
	"strings"
)

// traceField is a field of the form, and the option of "vtep trace" that it stands for.
type traceField struct {
	Option, Label, Hint string
	Value               string
}

// traceFields are those that a person asks with; the command knows more.
func traceFields() []traceField {
	return []traceField{
		{"port", "It comes in at port", "p0", ""},
		{"vlan", "with VLAN", "none", ""},
		{"from", "or from the peer", "192.0.2.2", ""},
		{"vni", "with VNI", "33", ""},
		{"src", "Source MAC", "02:00:00:00:00:01", ""},
		{"dst", "Destination MAC", "02:00:00:00:00:02", ""},
		{"ip", "With a packet to IP", "10.0.0.2", ""},
		{"ip-src", "from IP", "10.0.0.1", ""},
		{"protocol", "of protocol", "udp", ""},
		{"dst-port", "to its port", "9", ""},
		{"arp", "or it asks who has IP", "10.0.0.2", ""},
		{"length", "Length in bytes", "64", ""},
		{"hex", "or all its bytes, in hexadecimal", "", ""},
	}
}

// mostTrace bounds a value of the form.
const mostTrace = 32 << 10

func (s *site) trace(r *http.Request) (view, error) {
	if !s.source.CanTrace() {
		return view{}, notFound{errNoTrace}
	}
	data := struct {
		Fields         []traceField
		Answer, Failed string
	}{Fields: traceFields()}
	var args []string
	for i := range data.Fields {
		f := &data.Fields[i]
		f.Value = strings.TrimSpace(r.FormValue(f.Option))
		if len(f.Value) > mostTrace {
			f.Value = f.Value[:mostTrace]
		}
		if f.Value != "" {
			args = append(args, "--"+f.Option+"="+f.Value)
		}
	}
	if len(args) > 0 {
		var err error
		if data.Answer, err = s.source.Trace(r.Context(), args); err != nil {
			data.Failed = err.Error()
		}
	}
	return view{Template: "trace.html", Title: "Trace", Data: data}, nil
}
