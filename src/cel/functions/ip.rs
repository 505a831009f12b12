//! Addresses: `ip()`, `isIP()`, and what an address tells of itself.

use std::net::IpAddr;

use super::Table;
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::{Opaque, Type};
use crate::cel::value::{OpaqueValue, Value};

const NO_ADDRESS: Fault = Fault::Invalid("not an IP address without zone that is no IPv4 address in IPv6 clothes");

pub(super) fn declare(table: &mut Table) {
    use Type::{Bool, Int, String};
    let ip = Type::Opaque(Opaque::Ip);
    table
        .function("ip", &[String], ip.clone(), |meter, arguments| read(meter, arguments)?.map(value).ok_or(NO_ADDRESS));
    table.function("isIP", &[String], Bool, |meter, arguments| Ok(Value::Bool(read(meter, arguments)?.is_some())));
    table.function("ip.isCanonical", &[String], Bool, |meter, arguments| {
        let address = read(meter, arguments)?.ok_or(NO_ADDRESS)?;
        let [whole @ Value::String(text)] = arguments else { return Err(Fault::NoOverload) };
        meter.charge(whole.size())?;
        Ok(Value::Bool(address.to_string() == **text))
    });
    table.function("string", std::slice::from_ref(&ip), String, |_, arguments| {
        Ok(Value::string(of(arguments)?.to_string()))
    });
    table.member("family", std::slice::from_ref(&ip), Int, |_, arguments| {
        Ok(Value::Int(if of(arguments)?.is_ipv4() { 4 } else { 6 }))
    });
    let tests: [(&str, super::Body); 5] = [
        ("isUnspecified", |_, arguments| Ok(Value::Bool(of(arguments)?.is_unspecified()))),
        ("isLoopback", |_, arguments| Ok(Value::Bool(of(arguments)?.is_loopback()))),
        ("isLinkLocalMulticast", |_, arguments| Ok(Value::Bool(is_link_local_multicast(of(arguments)?)))),
        ("isLinkLocalUnicast", |_, arguments| Ok(Value::Bool(is_link_local_unicast(of(arguments)?)))),
        ("isGlobalUnicast", |_, arguments| Ok(Value::Bool(is_global_unicast(of(arguments)?)))),
    ];
    for (name, body) in tests {
        table.member(name, std::slice::from_ref(&ip), Bool, body);
    }
}

/// Reads an address: no zone, no leading zeros, and no IPv4 address mapped into IPv6.
pub(super) fn parse(text: &str) -> Option<IpAddr> {
    let address = text.parse().ok()?;
    match address {
        IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => None,
        _ => Some(address),
    }
}

/// Reads the only argument.
fn read(meter: &mut Meter, arguments: &[Value<'_>]) -> Result<Option<IpAddr>, Fault> {
    let [text @ Value::String(characters)] = arguments else { return Err(Fault::NoOverload) };
    meter.charge(text.size())?;
    Ok(parse(characters))
}

pub(super) fn value<'v>(address: IpAddr) -> Value<'v> {
    Value::opaque(OpaqueValue::Ip(address))
}

/// The address that is the first argument.
fn of(arguments: &[Value<'_>]) -> Result<IpAddr, Fault> {
    match arguments {
        [Value::Opaque(value)] => match **value {
            OpaqueValue::Ip(address) => Ok(address),
            _ => Err(Fault::NoOverload),
        },
        _ => Err(Fault::NoOverload),
    }
}

/// Within 224.0.0.0/24, or an IPv6 multicast address with the scope of a link.
fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => matches!(four.octets(), [224, 0, 0, _]),
        IpAddr::V6(six) => six.segments().first().is_some_and(|first| first & 0xff0f == 0xff02),
    }
}

fn is_link_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}

/// Everything that is nothing of the other kinds, private addresses included.
fn is_global_unicast(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(four) if four.is_broadcast());
    !(is_broadcast
        || address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || is_link_local_unicast(address))
}
