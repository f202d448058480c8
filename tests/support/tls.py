"""A certificate authority, a broker certificate for 127.0.0.1 and a client certificate, made on the spot."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files. `broker_store` holds key and certificate together, as Kafka wants its key store."""

    ca: Path
    broker_store: Path
    client_certificate: Path
    client_key: Path


def make_certificates(directory: Path, *, valid_until: datetime | None = None) -> Certificates:
    """`valid_until` in the past makes the broker's certificate an expired one."""
    directory.mkdir(parents=True, exist_ok=True)
    ca_key, ca = _issue("test authority", None, authority=True)
    broker_key, broker = _issue("broker", (ca_key, ca), valid_until=valid_until)
    client_key, client = _issue("client", (ca_key, ca))
    files = Certificates(
        directory / "ca.pem", directory / "broker.pem", directory / "client.pem", directory / "client-key.pem"
    )
    files.ca.write_bytes(_pem(ca))
    files.broker_store.write_bytes(_key_pem(broker_key) + _pem(broker) + _pem(ca))
    files.client_certificate.write_bytes(_pem(client))
    files.client_key.write_bytes(_key_pem(client_key))
    return files


def _issue(
    name: str,
    issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None,
    *,
    authority: bool = False,
    valid_until: datetime | None = None,
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signing_key = issuer[0] if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[1].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(valid_until or now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    return key, builder.sign(signing_key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
