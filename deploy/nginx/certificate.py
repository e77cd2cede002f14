"""Make a test certificate in a folder unless one is there that lasts: `certificate.py FOLDER [NAME...]`.

Nobody has signed it, so browsers ask before they go on. It is made where it is used, never shipped.
"""

import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LASTS = timedelta(days=365)
RENEWED = timedelta(days=30)  # before its end
NAMES = ("localhost", "nginx", "127.0.0.1", "::1")


def main(folder: Path, names: tuple[str, ...], now: datetime) -> str:
    """Write tls.crt and tls.key, and say what was done."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    if key.exists() and lasts(certificate, now):
        return "the certificate lasts"
    folder.mkdir(parents=True, exist_ok=True)
    private = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    key.chmod(0o400)
    certificate.write_bytes(signed(private, names, now).public_bytes(serialization.Encoding.PEM))
    return f"a test certificate for {', '.join(names)}"


def lasts(certificate: Path, now: datetime) -> bool:
    """Tell whether a certificate is there and far from its end."""
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc > now + RENEWED
    except (FileNotFoundError, ValueError):
        return False


def signed(private: ec.EllipticCurvePrivateKey, names: tuple[str, ...], now: datetime) -> x509.Certificate:
    """Return a certificate that its own key has signed."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LASTS)
        .add_extension(x509.SubjectAlternativeName([*map(alternative, names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )


def alternative(name: str) -> x509.GeneralName:
    """Return a name or an address as certificates spell it."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), tuple(sys.argv[2:]) or NAMES, datetime.now(UTC)))
