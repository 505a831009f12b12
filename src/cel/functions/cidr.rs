//! Networks: `cidr()`, `isCIDR()`, and what is in a network.

use std::fmt;
use std::net::IpAddr;

use super::{Table, ip};
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::{Opaque, Type};
use crate::cel::value::{OpaqueValue, Value};

const NO_NETWORK: Fault = Fault::Invalid("not a network such as 10.0.0.0/8 or 2001:db8::/32");
const NO_ADDRESS: Fault = Fault::Invalid("not an IP address");

/// An address, and how many of its bits are the network's. The others may be set, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) struct Cidr {
    address: IpAddr,
    bits: u8,
}

/// What comparing the longest addresses costs.
const COMPARISON: u64 = 6;

pub(super) fn declare(table: &mut Table) {
    use Type::{Bool, Int, String};
    let cidr = Type::Opaque(Opaque::Cidr);
    let address = Type::Opaque(Opaque::Ip);
    table.function("cidr", &[String], cidr.clone(), |meter, arguments| {
        read(meter, arguments.first())?.map(value).ok_or(NO_NETWORK)
    });
    table.function("isCIDR", &[String], Bool, |meter, arguments| {
        Ok(Value::Bool(read(meter, arguments.first())?.is_some()))
    });
    table.function("string", std::slice::from_ref(&cidr), String, |_, arguments| {
        Ok(Value::string(of(arguments.first())?.to_string()))
    });
    table.member("containsIP", &[cidr.clone(), String], Bool, contains_address);
    table.member("containsIP", &[cidr.clone(), address.clone()], Bool, contains_address);
    table.member("containsCIDR", &[cidr.clone(), String], Bool, |meter, arguments| {
        let inner = read(meter, arguments.get(1))?.ok_or(NO_NETWORK)?;
        meter.charge(COMPARISON)?;
        Ok(Value::Bool(of(arguments.first())?.contains(inner.address, inner.bits)))
    });
    table.member("containsCIDR", &[cidr.clone(), cidr.clone()], Bool, |meter, arguments| {
        let inner = of(arguments.get(1))?;
        meter.charge(COMPARISON)?;
        Ok(Value::Bool(of(arguments.first())?.contains(inner.address, inner.bits)))
    });
    table.member("ip", std::slice::from_ref(&cidr), address, |_, arguments| {
        Ok(ip::value(of(arguments.first())?.address))
    });
    table.member("prefixLength", std::slice::from_ref(&cidr), Int, |_, arguments| {
        Ok(Value::Int(of(arguments.first())?.bits.into()))
    });
    table.member("masked", std::slice::from_ref(&cidr), cidr.clone(), |_, arguments| {
        Ok(value(of(arguments.first())?.masked()))
    });
}

impl Cidr {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.rsplit_once('/')?;
        let address = ip::parse(address)?;
        let is_number = bits == "0" || (!bits.starts_with('0') && bits.bytes().all(|byte| byte.is_ascii_digit()));
        let bits: u8 = if is_number { bits.parse().ok()? } else { return None };
        (bits <= length(address)).then_some(Self { address, bits })
    }

    /// The address without those bits that are not the network's.
    fn masked(self) -> Self {
        Self { address: masked(self.address, self.bits), bits: self.bits }
    }

    /// Whether all addresses that begin with so many bits of the given one are in the network.
    fn contains(self, address: IpAddr, bits: u8) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && self.bits <= bits
            && masked(self.address, self.bits) == masked(address, self.bits)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

const fn length(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4((four.to_bits() & mask).into())
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6((six.to_bits() & mask).into())
        }
    }
}

fn contains_address<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    meter.charge(COMPARISON)?;
    let address = match arguments.get(1) {
        Some(text @ Value::String(characters)) => {
            meter.charge(text.size())?;
            ip::parse(characters).ok_or(NO_ADDRESS)?
        }
        Some(Value::Opaque(value)) => match **value {
            OpaqueValue::Ip(address) => address,
            _ => return Err(Fault::NoOverload),
        },
        _ => return Err(Fault::NoOverload),
    };
    Ok(Value::Bool(of(arguments.first())?.contains(address, length(address))))
}

fn read(meter: &mut Meter, argument: Option<&Value<'_>>) -> Result<Option<Cidr>, Fault> {
    let Some(text @ Value::String(characters)) = argument else { return Err(Fault::NoOverload) };
    meter.charge(text.size())?;
    Ok(Cidr::parse(characters))
}

fn value<'v>(network: Cidr) -> Value<'v> {
    Value::opaque(OpaqueValue::Cidr(network))
}

fn of(argument: Option<&Value<'_>>) -> Result<Cidr, Fault> {
    match argument {
        Some(Value::Opaque(value)) => match **value {
            OpaqueValue::Cidr(network) => Ok(network),
            _ => Err(Fault::NoOverload),
        },
        _ => Err(Fault::NoOverload),
    }
}
