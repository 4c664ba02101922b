"""Papers for the tests: typefaces, facts, a proof, a paper key, and both kinds of sealed file."""

import hashlib
from datetime import UTC, datetime
from functools import cache

import pylopdf_fonts_zh_cn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from seals import documents, ofd, pdf, sheets
from seals.drawing import Drawing, Font, draw_round_seal
from seals.signing import make_signature
from tests.seals.office import NOW_S, OFFICE, SEAL, key

ISSUER = "成都市武侯区政务服务中心"
BUNDLE = b"evidence of the act" * 400
LINK = "https://ledger.example/p/8f3k2m"


@cache
def faces() -> sheets.Faces:
    return sheets.Faces(
        Font(pylopdf_fonts_zh_cn.serif_path().read_bytes(), name="ShouxinSong"),
        Font(pylopdf_fonts_zh_cn.sans_path().read_bytes(), name="ShouxinHei"),
    )


@cache
def picture() -> Drawing:
    return draw_round_seal(ISSUER, "51010700000003", faces().serif, purpose="跨省通办专用章")


MATERIALS = (
    documents.Material(name="基本养老保险关系转移接续申请表", form="原件", count=1),
    documents.Material(name="居民身份证", form="原件核验", count=1, note="已核验原件"),
    documents.Material(
        name="参保缴费凭证（由原参保地社会保险经办机构出具）", form="电子证照", count=1
    ),
    documents.Material(name="户口簿首页及本人页", form="复印件", count=1, note="容缺后补"),
)
COMMON = {
    "number": "510000/case/2026-000017",
    "item": "基本养老保险关系转移接续申请",
    "item_code": "002014005000（第 3 版）",
    "applicant": "格桑*",
    "window": "成都市武侯区政务服务中心跨省通办专窗",
    "officer": "w3-01",
    "authority": "西藏自治区社会保险事业管理局",
    "grant": "540000/grant/2026-000003（收件受理权）",
    "issuer": ISSUER,
    "time_s": NOW_S,
    "telephone": "028-12345",
}
RECEIPT = documents.AcceptanceReceipt(
    **COMMON, materials=MATERIALS, due="2026年10月20日", working_days=15
)
NOTICE = documents.OneTimeNotice(**COMMON, missing=MATERIALS[2:], days=10)
RESULT = documents.CaseResult(
    **COMMON,
    outcome="准予办理：基本养老保险关系已转入西藏自治区。",
    reasons="申请材料齐全，符合转移接续条件。",
    basis="《城镇企业职工基本养老保险关系转移接续暂行办法》第五条",
    delivery="由收件窗口送达",
)
PROOF = documents.Proof(LINK, BUNDLE)


@cache
def laid(facts: documents.Facts = RECEIPT) -> sheets.LaidOut:
    return sheets.lay_out(documents.compose(facts), PROOF, picture(), faces())


class Paperkey:
    """A P-256 or RSA key with a certificate from a root of its own; it counts what it signs."""

    def __init__(self, kind: str = "p256") -> None:
        self._key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
        if kind == "p256":
            self._key = ec.derive_private_key(20_261_121, ec.SECP256R1())
        else:
            self._key = rsa.generate_private_key(65_537, 2_048)
        root = ec.derive_private_key(7, ec.SECP256R1())
        self.root = _certificate(
            "授信测试文件根", "授信测试文件根", root.public_key(), root, ca=True
        )
        self.certificate = _certificate(
            ISSUER, "授信测试文件根", self._key.public_key(), root, ca=False
        )
        self.chain: tuple[bytes, ...] = ()
        self.signed = 0

    def sign(self, data: bytes) -> bytes:
        self.signed += 1
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return self._key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def _certificate(
    subject: str,
    issuer: str,
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> bytes:
    def name(text: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
                x509.NameAttribute(NameOID.COMMON_NAME, text),
            ]
        )

    usage = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    for one in ("key_cert_sign", "crl_sign") if ca else ("digital_signature", "content_commitment"):
        usage[one] = True
    built = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(public)
        .serial_number(int.from_bytes(hashlib.sha256(subject.encode()).digest()[:8]) >> 1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .sign(signer, hashes.SHA256(), ecdsa_deterministic=True)
    )
    return built.public_bytes(serialization.Encoding.DER)


def seal_digest(digest: bytes, property_info: str) -> bytes:
    return make_signature(
        seal=SEAL,
        digest=digest,
        property_info=property_info,
        time_s=NOW_S,
        certificate=OFFICE.signer,
        key=key("signer"),
        timestamp=None,
    )


@cache
def unsealed() -> bytes:
    return pdf.write_pdf(laid(), faces())


@cache
def sealed_pdf() -> bytes:
    return pdf.seal_pdf(unsealed(), laid(), Paperkey())


@cache
def sealed_ofd() -> bytes:
    return ofd.write_ofd(laid(), faces(), seal=SEAL, sign=seal_digest)
