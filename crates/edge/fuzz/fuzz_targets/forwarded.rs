//! Where a request came from: never a panic, and nobody untrusted chooses it.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use actix_web::test::TestRequest;
use actix_web::web::Data;
use edge::{ClientAddress, TrustedProxies};
use libfuzzer_sys::fuzz_target;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

fuzz_target!(|input: (&str, &str)| {
    let (header, networks) = input;
    let parsed = networks.parse::<TrustedProxies>();
    if !header.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return;
    }
    let from = |proxies: TrustedProxies| {
        let request = TestRequest::default().peer_addr(SocketAddr::new(PEER, 1));
        let request = request.insert_header(("X-Forwarded-For", header)).app_data(Data::new(proxies));
        ClientAddress::of(&request.to_http_request())
    };
    assert_eq!(from(TrustedProxies::default()).0, PEER, "a stranger chose the address");
    if let Ok(proxies) = parsed {
        let _ = from(proxies).household();
    }
});
