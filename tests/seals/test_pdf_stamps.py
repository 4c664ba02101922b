"""Time stamps in PDF signatures, from a service in this process."""

from datetime import UTC, datetime, timedelta

from asn1crypto import keys as asn1_keys  # type: ignore[import-untyped]
from asn1crypto import tsp as asn1_tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps import DummyTimeStamper

from seals import pdf
from seals.report import Outcome, Verdict
from seals.trust import Trust
from tests.authz.refusals import refused
from tests.seals.office import NOW_S, SM2
from tests.seals.papers import Paperkey, faces, laid


class Clockwork:
    """An RFC 3161 service in this process, with an RSA key of its own."""

    def __init__(self, key: rsa.RSAPrivateKey, *, wrong: bool = False) -> None:
        self.wrong = wrong
        self.certificate = stamping_certificate(key)
        bare = key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._service = DummyTimeStamper(
            tsa_cert=asn1_x509.Certificate.load(self.certificate),
            tsa_key=asn1_keys.PrivateKeyInfo.load(bare),
            fixed_dt=datetime.fromtimestamp(NOW_S, UTC),
        )
        self.asked = 0

    def __call__(self, request: bytes) -> bytes:
        self.asked += 1
        wanted = asn1_tsp.TimeStampReq.load(request)
        if self.wrong:
            wanted["message_imprint"] = asn1_tsp.MessageImprint(
                {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(32)}
            )
        made: bytes = self._service.request_tsa_response(wanted).dump()
        return made


def stamping_certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "授信测试时间戳")])
    at = datetime.fromtimestamp(NOW_S, UTC)
    built = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=77,
        not_valid_before=at - timedelta(days=9),
        not_valid_after=at + timedelta(days=900),
    )
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    return (
        built.add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def test_a_pdf_signature_bears_the_service_s_time_stamp() -> None:
    service = Clockwork(rsa.generate_private_key(65_537, 2_048))
    paper, paper_key = laid(), Paperkey()
    made = pdf.seal_pdf(pdf.write_pdf(paper, faces()), paper, paper_key, stamp=service)
    assert (service.asked, paper_key.signed) == (1, 1)
    trust = Trust.of(anchors=[paper_key.root])
    [report] = pdf.verify_pdf(made, sm2=SM2, trust=trust, at_s=NOW_S + 60)
    step = report.step("pdf-timestamp")
    assert step is not None
    assert (step.outcome, report.verdict) == (Outcome.UNCHECKED, Verdict.UNPROVEN)
    both = Trust.of(anchors=[paper_key.root, service.certificate])
    [report] = pdf.verify_pdf(made, sm2=SM2, trust=both, at_s=NOW_S + 60)
    assert report.verdict is Verdict.VALID
    with refused("timestamp-unavailable"):
        pdf.seal_pdf(pdf.write_pdf(paper, faces()), paper, paper_key, stamp=lambda _: b"later")


def test_a_time_stamp_over_something_else_fails_its_step() -> None:
    service = Clockwork(rsa.generate_private_key(65_537, 2_048), wrong=True)
    paper, paper_key = laid(), Paperkey()
    made = pdf.seal_pdf(pdf.write_pdf(paper, faces()), paper, paper_key, stamp=service)
    trust = Trust.of(anchors=[paper_key.root, service.certificate])
    [report] = pdf.verify_pdf(made, sm2=SM2, trust=trust, at_s=NOW_S + 60)
    step = report.step("pdf-timestamp")
    assert step is not None
    assert (step.outcome, step.code) == (Outcome.FAILED, "pdf-timestamp")
    assert report.verdict is Verdict.INVALID
