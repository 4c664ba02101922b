// Checks seals, certificates and time stamps with BouncyCastle alone. One question a line of the
// input: a word and file names; one answer a line of the output.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Security;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import org.bouncycastle.asn1.ASN1BitString;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.cert.X509CRLHolder;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jcajce.spec.SM2ParameterSpec;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.tsp.TimeStampToken;
import org.bouncycastle.cms.CMSSignedData;

public final class CheckSeal {
    private static final byte[] USER = "1234567812345678".getBytes(StandardCharsets.US_ASCII);

    public static void main(String[] none) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            String said;
            try {
                said = answer(words);
            } catch (Exception error) {
                said = "error " + error.getClass().getSimpleName();
            }
            System.out.println(said);
        }
    }

    private static byte[] file(String name) throws Exception {
        return Files.readAllBytes(Path.of(name));
    }

    private static String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "digest":
                return new BigInteger(1, MessageDigest.getInstance("SM3", "BC").digest(file(words[1])))
                        .toString(16);
            case "certificate":
                return certificate(file(words[1]), file(words[2]));
            case "list":
                return list(file(words[1]), file(words[2]));
            case "seal":
                return seal(ASN1Sequence.getInstance(file(words[1])));
            case "signature":
                return signature(ASN1Sequence.getInstance(file(words[1])));
            case "token":
                return token(file(words[1]), file(words[2]));
            case "sign":
                return sign(file(words[1]), file(words[2]));
            default:
                return "what?";
        }
    }

    private static PublicKey key(byte[] certificate) throws Exception {
        X509Certificate read = new JcaX509CertificateConverter().setProvider("BC")
                .getCertificate(new X509CertificateHolder(certificate));
        return read.getPublicKey();
    }

    private static String certificate(byte[] below, byte[] above) throws Exception {
        boolean holds = new X509CertificateHolder(below).isSignatureValid(
                new JcaContentVerifierProviderBuilder().setProvider("BC").build(key(above)));
        return holds ? "holds" : "fails";
    }

    private static String list(byte[] data, byte[] above) throws Exception {
        boolean holds = new X509CRLHolder(data).isSignatureValid(
                new JcaContentVerifierProviderBuilder().setProvider("BC").build(key(above)));
        return holds ? "holds" : "fails";
    }

    private static boolean verify(byte[] certificate, byte[] signed, byte[] value) throws Exception {
        Signature check = Signature.getInstance("SM3withSM2", "BC");
        check.setParameter(new SM2ParameterSpec(USER));
        check.initVerify(key(certificate));
        check.update(signed);
        return check.verify(value);
    }

    private static byte[] raw(ASN1Encodable part) throws Exception {
        return part.toASN1Primitive().getEncoded();
    }

    private static byte[] octets(ASN1Encodable part) {
        return ASN1OctetString.getInstance(part).getOctets();
    }

    private static String seal(ASN1Sequence seal) throws Exception {
        ASN1Sequence header =
                ASN1Sequence.getInstance(ASN1Sequence.getInstance(seal.getObjectAt(0)).getObjectAt(0));
        int version = ASN1Integer.getInstance(header.getObjectAt(1)).intValueExact();
        boolean holds = verify(octets(seal.getObjectAt(1)), raw(seal.getObjectAt(0)),
                ASN1BitString.getInstance(seal.getObjectAt(3)).getOctets());
        return (holds ? "holds" : "fails") + " " + version;
    }

    private static String signature(ASN1Sequence whole) throws Exception {
        ASN1Sequence signed = ASN1Sequence.getInstance(whole.getObjectAt(0));
        boolean holds = verify(octets(whole.getObjectAt(1)), raw(signed),
                ASN1BitString.getInstance(whole.getObjectAt(3)).getOctets());
        return (holds ? "holds" : "fails") + " seal "
                + seal(ASN1Sequence.getInstance(signed.getObjectAt(1)));
    }

    private static String token(byte[] data, byte[] over) throws Exception {
        TimeStampToken token = new TimeStampToken(new CMSSignedData(data));
        byte[] digest = MessageDigest.getInstance("SM3", "BC").digest(over);
        if (!Arrays.equals(digest, token.getTimeStampInfo().getMessageImprintDigest())) {
            return "fails imprint";
        }
        X509CertificateHolder service =
                (X509CertificateHolder) token.getCertificates().getMatches(token.getSID()).iterator().next();
        boolean holds = token.isSignatureValid(
                new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(service));
        return (holds ? "holds " : "fails ") + token.getTimeStampInfo().getGenTime().getTime() / 1000;
    }

    private static String sign(byte[] key, byte[] message) throws Exception {
        PrivateKey secret =
                KeyFactory.getInstance("EC", "BC").generatePrivate(new PKCS8EncodedKeySpec(key));
        Signature sign = Signature.getInstance("SM3withSM2", "BC");
        sign.setParameter(new SM2ParameterSpec(USER));
        sign.initSign(secret);
        sign.update(message);
        return new BigInteger(1, sign.sign()).toString(16);
    }
}
