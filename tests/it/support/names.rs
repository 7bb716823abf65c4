//! A server of names that knows one: that of the gateways, as the composition's network knows it.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// A host's address, as a question asks for it.
const A: [u8; 2] = [0, 1];

/// Answers until it is dropped.
pub(crate) struct Names {
    pub(crate) address: SocketAddr,
    _answering: JoinSet<()>,
}

impl Names {
    /// Every name stands for these addresses.
    pub(crate) async fn of(addresses: Vec<Ipv4Addr>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut answering = JoinSet::new();
        answering.spawn(async move {
            let mut bytes = [0; 512];
            loop {
                let (length, whose) = socket.recv_from(&mut bytes).await.unwrap();
                if let Some(answer) = answer(&bytes[..length], &addresses) {
                    let _ = socket.send_to(&answer, whose).await;
                }
            }
        });
        Self {
            address,
            _answering: answering,
        }
    }
}

/// The answer to a question, as RFC 1035 has both.
fn answer(question: &[u8], addresses: &[Ipv4Addr]) -> Option<Vec<u8>> {
    let (head, rest) = question.split_at_checked(12)?;
    // The name, its labels and the empty one at its end; then what is asked for, and in which class.
    let asked = rest.iter().position(|byte| *byte == 0)? + 1;
    let kind = rest.get(asked..asked + 2)?;
    let addresses = if kind == A { addresses } else { &[] };
    let count = u8::try_from(addresses.len()).ok()?;
    let mut answer = head[..2].to_vec();
    // It is an answer, without an error, to one question.
    answer.extend([0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(rest.get(..asked + 4)?);
    for address in addresses {
        // The name as above, an address of the internet, good for a second, of four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
