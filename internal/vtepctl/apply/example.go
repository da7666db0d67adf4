package apply

// Example is a configuration with all sections: the manual page shows it, the tests apply it.
const Example = `switches:
  br0:
    tunnel_ips: [192.0.2.1]
    ports:
      eth1:
        bindings: {0: ls0, 100: ls1}
logical_switches:
  ls0:
    tunnel_key: 5000
    replication_mode: source_node
    ucast:
      00:00:5e:00:53:01: 192.0.2.2
    mcast:
      unknown-dst: [192.0.2.2, {ip: 192.0.2.3, tunnel_key: 77}]
  ls1:
    tunnel_key: 5001
routers:
  r1:
    bindings: {10.0.0.1/24: ls0, 10.0.1.1/24: ls1}
managers: ["ptcp:6640"]`
