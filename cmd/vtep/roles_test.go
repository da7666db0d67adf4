package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// rolesSchema is a database with rules for roles, in the form that OVN_Southbound has them.
const rolesSchema = `{"name":"mydb","version":"1.0.0","tables":{
"Root":{"isRoot":true,"columns":{"connections":{"type":{"key":{"type":"uuid","refTable":"Connection"},"min":0,"max":"unlimited"}}}},
"Connection":{"columns":{"target":{"type":"string"},"role":{"type":"string"}}},
"RBAC_Role":{"isRoot":true,"columns":{"name":{"type":"string"},"permissions":{"type":{"key":"string","value":{"type":"uuid","refTable":"RBAC_Permission","refType":"weak"},"min":0,"max":"unlimited"}}}},
"RBAC_Permission":{"isRoot":true,"columns":{"table":{"type":"string"},"authorization":{"type":{"key":"string","min":0,"max":"unlimited"}},"insert_delete":{"type":"boolean"},"update":{"type":{"key":"string","min":0,"max":"unlimited"}}}},
"fixed":{"isRoot":true,"columns":{"name":{"type":"string"},"value":{"type":"integer"}}},
"owned":{"isRoot":true,"columns":{"owner":{"type":"string"},"name":{"type":"string"},"value":{"type":"integer"}}},
"mapped":{"isRoot":true,"columns":{"owner":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},"name":{"type":"string"},"value":{"type":"integer"}}},
"open":{"isRoot":true,"columns":{"name":{"type":"string"},"value":{"type":"integer"}}}}}`

const rolesContent = `["mydb",
{"op":"insert","table":"Root","row":{"connections":["named-uuid","x"]}},
{"op":"insert","table":"Connection","uuid-name":"x","row":{"target":"pssl:0:127.0.0.1","role":"host"}},
{"op":"insert","table":"fixed","row":{"name":"a"}},
{"op":"insert","table":"open","row":{"name":"a"}},
{"op":"insert","table":"RBAC_Role","row":{"name":"host","permissions":["map",[["owned",["named-uuid","o"]],["mapped",["named-uuid","m"]],["open",["named-uuid","p"]]]]}},
{"op":"insert","table":"RBAC_Permission","uuid-name":"o","row":{"authorization":"owner","insert_delete":true,"table":"owned","update":["set",["name","value"]]}},
{"op":"insert","table":"RBAC_Permission","uuid-name":"m","row":{"authorization":"owner:chassis","insert_delete":true,"table":"mapped","update":["set",["name","value"]]}},
{"op":"insert","table":"RBAC_Permission","uuid-name":"p","row":{"authorization":"","insert_delete":false,"table":"open","update":"value"}}]`

// TestRolesSameAsC has two clients do what they may and may not, on the C server and on ours.
func TestRolesSameAsC(t *testing.T) {
	ca := testenv.NewAuthority(t, "ca")
	server, clients := ca.Issue("server"), []testenv.Identity{ca.Issue("client-1"), ca.Issue("client-2")}
	steps := []struct {
		client int
		ops    string
	}{
		{1, `{"op":"insert","table":"fixed","row":{"name":"b"}}`},
		{1, `{"op":"update","table":"fixed","where":[],"row":{"value":1}}`},
		{1, `{"op":"delete","table":"fixed","where":[]}`},
		{1, `{"op":"insert","table":"owned","row":{"owner":"client-2","name":"a"}}`},
		{1, `{"op":"insert","table":"owned","row":{"name":"a"}}`},
		{1, `{"op":"insert","table":"owned","row":{"owner":"client-1","name":"a"}}`},
		{2, `{"op":"insert","table":"owned","row":{"owner":"client-2","name":"b"}}`},
		{1, `{"op":"update","table":"owned","where":[["name","==","a"]],"row":{"value":7}}`},
		{2, `{"op":"update","table":"owned","where":[["name","==","a"]],"row":{"value":8}}`},
		{1, `{"op":"update","table":"owned","where":[],"row":{"value":9}}`},
		{1, `{"op":"update","table":"owned","where":[["name","==","a"]],"row":{"owner":"client-2"}}`},
		{1, `{"op":"update","table":"owned","where":[["name","==","nobody"]],"row":{"owner":"client-2"}}`},
		{1, `{"op":"mutate","table":"owned","where":[["name","==","a"]],"mutations":[["value","+=",10]]}`},
		{2, `{"op":"mutate","table":"owned","where":[["name","==","a"]],"mutations":[["value","+=",10]]}`},
		{2, `{"op":"delete","table":"owned","where":[["name","==","a"]]}`},
		{1, `{"op":"delete","table":"owned","where":[["name","==","a"]]}`},
		{1, `{"op":"insert","table":"mapped","row":{"owner":["map",[["chassis","client-1"]]],"name":"a"}}`},
		{1, `{"op":"update","table":"mapped","where":[],"row":{"value":5}}`},
		{2, `{"op":"update","table":"mapped","where":[],"row":{"value":6}}`},
		{2, `{"op":"delete","table":"mapped","where":[]}`},
		{1, `{"op":"delete","table":"mapped","where":[]}`},
		{1, `{"op":"insert","table":"open","row":{"name":"b"}}`},
		{2, `{"op":"update","table":"open","where":[],"row":{"value":3}}`},
		{2, `{"op":"update","table":"open","where":[],"row":{"name":"c"}}`},
		{2, `{"op":"delete","table":"open","where":[]}`},
		{1, `{"op":"insert","table":"owned","row":{"owner":"client-1","name":"z"}},{"op":"delete","table":"fixed","where":[]},{"op":"comment","comment":"x"}`},
		{1, `{"op":"select","table":"fixed","where":[],"columns":["name"]},{"op":"select","table":"owned","where":[],"columns":["name","value"]}`},
	}
	answers := func(program string) []string {
		env := testenv.OVS(t)
		if err := os.WriteFile(filepath.Join(env.RunDir, "schema"), []byte(rolesSchema), 0o644); err != nil {
			t.Fatal(err)
		}
		env.Output(t, testenv.Program(t, "ovsdb-tool"), "create", "db", "schema")
		if out := env.Output(t, testenv.Program(t, "ovsdb-tool"), "transact", "db", rolesContent); strings.Contains(out, "error") {
			t.Fatal(out)
		}
		log := filepath.Join(env.LogDir, "server.log")
		cmd := env.Command(program, append(tlsArgs(server, "--ca-cert="+ca.File), "--log-file="+log, "-vconsole:off", "--unixctl=none",
			"--remote=db:mydb,Root,connections", "db")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		var port string
		testenv.Eventually(t, time.Minute, func() error {
			text, err := os.ReadFile(log)
			if m := regexp.MustCompile(`listening on port (\d+)`).FindSubmatch(text); m != nil {
				port = string(m[1])
				return nil
			}
			return fmt.Errorf("no port in %s (%v)", text, err)
		})
		var all []string
		for _, s := range steps {
			args := append(tlsArgs(clients[s.client-1], "--ca-cert="+ca.File), "--timeout=60", "transact", "ssl:127.0.0.1:"+port, `["mydb",`+s.ops+`]`)
			out := env.Output(t, testenv.Program(t, "ovsdb-client"), args...)
			all = append(all, regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).ReplaceAllString(out, "<uuid>"))
		}
		return all
	}
	mine, other := answers(filepath.Join(testenv.Binary(t), "ovsdb-server")), answers(testenv.Program(t, "ovsdb-server"))
	refused := 0
	for i, s := range steps {
		if mine[i] != other[i] {
			t.Errorf("client-%d %s gets\n%sfrom the C server\n%s", s.client, s.ops, mine[i], other[i])
		}
		if strings.Contains(mine[i], "permission error") {
			refused++
		}
	}
	if refused < 10 {
		t.Errorf("only %d were refused", refused)
	}
}
