//! TLS, and where the password is and where it is not.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;

/// Makes an authority of one's own, and certificates of it for a server and a client.
fn certificates(folder: &Path) {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    let authority = |name: &str| {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let own = authority("Our own");
    write("ca.pem", own.pem());
    write("other-ca.pem", authority("Another").pem());
    for (name, host) in [("server", "localhost"), ("client", "bulbctl")] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([host.to_owned()]).unwrap();
        write(&format!("{name}.pem"), params.signed_by(&key, &own).unwrap().pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

fn tls(more: &str) -> impl FnOnce(&Path) -> String {
    move |folder: &Path| {
        certificates(folder);
        let file = |name: &str| folder.join(name).display().to_string();
        let (ca, certificate, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
        format!("cafile {ca}\ncertfile {certificate}\nkeyfile {key}\nallow_anonymous true\n{more}")
    }
}

const CLIENT: [&str; 7] = [
    "--cafile",
    "{folder}/ca.pem",
    "--insecure",
    "--cert",
    "{folder}/client.pem",
    "--key",
    "{folder}/client.key",
];

#[test]
fn p26_tls_with_an_authority_of_ones_own() {
    let Some(broker) = Mosquitto::with(tls(""), &CLIENT) else { return };
    let machine = Machine::new(&desk());
    let url = format!("mqtts://localhost:{}", broker.port);
    // Nothing insecure by default: neither the system's authorities nor another one's know the broker.
    for more in [vec![], vec!["--ca-file".to_owned(), broker.path("other-ca.pem")]] {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let mut bridge = machine.bridge_at(&url, &more);
        assert_eq!(bridge.wait().code(), Some(14), "{more:?}");
        assert!(bridge.wait_error("broker.tls")["hint"].as_str().unwrap().contains("--ca-file"));
    }
    // A certificate is for its host.
    let ca = broker.path("ca.pem");
    let mut bridge = machine.bridge_at(&format!("mqtts://127.0.0.1:{}", broker.port), &["--ca-file", &ca]);
    assert_eq!(bridge.wait().code(), Some(14));
    let witness = broker.witness();
    let _bridge = machine.bridge_at(&url, &["--ca-file", &ca]);
    witness.wait_for_state(DESK);
    assert_eq!(broker.request(&set(DESK), "ON"), json!({"result": "confirmed"}));
}

#[test]
fn p26_client_certificates() {
    let Some(broker) = Mosquitto::with(tls("require_certificate true\n"), &CLIENT) else { return };
    let machine = Machine::new(&desk());
    let url = format!("mqtts://localhost:{}", broker.port);
    let (ca, certificate, key) =
        (broker.path("ca.pem"), broker.path("client.pem"), broker.path("client.key"));
    let mut without = machine.bridge_at(&url, &["--ca-file", &ca]);
    without.wait_error("broker.tls");
    without.kill();
    let witness = broker.witness();
    let _bridge =
        machine.bridge_at(&url, &["--ca-file", &ca, "--cert-file", &certificate, "--key-file", &key]);
    witness.wait_for_state(DESK);
}

#[test]
fn p26_a_client_certificate_and_the_authorities_of_the_system() {
    let Some(broker) = Mosquitto::with(tls("require_certificate true\n"), &CLIENT) else { return };
    let machine = Machine::new(&desk());
    let url = format!("mqtts://localhost:{}", broker.port);
    let (certificate, key) = (broker.path("client.pem"), broker.path("client.key"));
    let start = |authorities: &str| {
        let common = ["bridge", "--json", "--name", "attic", "--alone", "--broker", &url];
        let files = ["--cert-file", &certificate, "--key-file", &key];
        let mut command = machine.bulbctl(&[&common[..], &files].concat());
        // What the libraries of TLS take for the system's.
        command.env("SSL_CERT_FILE", broker.path(authorities));
        machine.spawn(command)
    };
    assert_eq!(start("other-ca.pem").wait().code(), Some(14), "they do not know the broker");
    let witness = broker.witness();
    let _bridge = start("ca.pem");
    witness.wait_for_state(DESK);
}

/// Tells a bridge its password.
type GivePassword<'a> = &'a dyn Fn(&mut std::process::Command);

#[test]
fn p27_the_password_comes_from_a_file_the_environment_or_systemd_and_is_shown_nowhere() {
    const PASSWORD: &str = "hunter2-hunter2";
    let config = |folder: &Path| {
        let passwords = folder.join("passwords");
        let mut made = std::process::Command::new("mosquitto_passwd");
        assert!(
            made.args(["-c", "-b", passwords.to_str().unwrap(), "me", PASSWORD]).status().unwrap().success()
        );
        format!("allow_anonymous false\npassword_file {}\n", passwords.display())
    };
    let Some(broker) = Mosquitto::with(config, &["-u", "me", "-P", PASSWORD]) else { return };
    let witness = broker.witness();
    let machine = Machine::new(&desk());
    machine.config("[bridge]\nusername = \"me\"\n");
    let file = machine.write("credentials/bulbctl-mqtt-password", &format!("{PASSWORD}\n"));
    let recording = machine.path("recording.jsonl").display().to_string();
    let url = broker.url();
    let words =
        ["bridge", "--json", "--name", "attic", "--alone", "--broker", &url, "-vvv", "--record", &recording];
    let folder = machine.path("credentials");
    let ways: [(&str, GivePassword<'_>); 3] = [
        ("file", &|command| {
            command.args(["--password-file", &file]);
        }),
        ("environment", &|command| {
            command.env("BULBCTL_MQTT_PASSWORD", PASSWORD);
        }),
        ("systemd", &|command| {
            command.env("CREDENTIALS_DIRECTORY", &folder);
        }),
    ];
    for (way, with) in ways {
        let from = witness.count();
        let mut command = machine.bulbctl(&words);
        with(&mut command);
        let mut bridge = machine.spawn(command);
        witness.wait_after(from, way, |message| {
            message.topic == state(DESK) && message.text.contains("reported")
        });
        bridge.end();
        let recorded = std::fs::read_to_string(&recording).unwrap();
        for text in [bridge.output(), bridge.stderr(), recorded] {
            assert!(!text.contains("hunter2"), "{way}");
        }
        assert!(!bridge.stderr().is_empty(), "the log was on");
    }
    // An address would be seen by every user of the computer.
    let output = machine.run(&["bridge", "--json", "--broker", "mqtt://me:hunter2-hunter2@localhost"]);
    assert_eq!(output.status.code(), Some(2));
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("must not contain a password") && !text.contains("hunter2"), "{text}");
}
