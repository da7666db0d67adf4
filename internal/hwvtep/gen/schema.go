package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// member is one member of a JSON object, which keeps its place: the generated
// code is in the order of the schema file.
type member struct {
	name string
	raw  json.RawMessage
}

func members(raw json.RawMessage) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, fmt.Errorf("not an object: %.40s (%v)", raw, err)
	}
	var list []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)}
		if err := dec.Decode(&m.raw); err != nil {
			return nil, fmt.Errorf("member %s: %w", m.name, err)
		}
		list = append(list, m)
	}
	return list, nil
}

// baseType is the type of a key or a value: a name, or an object.
type baseType struct {
	Type string
	Enum []string
}

func (b *baseType) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		return json.Unmarshal(raw, &b.Type)
	}
	var object struct {
		Type string
		Enum []json.RawMessage // ["set", [...]]
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return err
	}
	b.Type = object.Type
	if len(object.Enum) == 2 {
		return json.Unmarshal(object.Enum[1], &b.Enum)
	}
	return nil
}

// columnType is the type of a column: a name, or an object.
type columnType struct {
	Key, Value baseType
	Min        int
	Unlimited  bool
}

func (t *columnType) UnmarshalJSON(raw []byte) error {
	t.Min = 1
	if raw[0] == '"' {
		return json.Unmarshal(raw, &t.Key)
	}
	var object struct {
		Key, Value baseType
		Min        *int
		Max        json.RawMessage
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return err
	}
	t.Key, t.Value = object.Key, object.Value
	if object.Min != nil {
		t.Min = *object.Min
	}
	t.Unlimited = string(object.Max) == `"unlimited"`
	return nil
}
