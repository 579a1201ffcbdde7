"""Why a certificate is not accepted, in words that name no library."""

from ssl import SSLCertVerificationError

# X509_V_ERR_… of OpenSSL's x509_vfy.h
_NOT_YET, _EXPIRED = 9, 10
_ANOTHER_NAME, _ANOTHER_ADDRESS = 62, 64
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)


def complaint(error: Exception) -> str:
    """The end of the sentence 'The certificate …'."""
    code = error.verify_code if isinstance(error, SSLCertVerificationError) else None
    if code == _EXPIRED:
        return "has expired"
    if code == _NOT_YET:
        return "is not valid yet"
    if code in (_ANOTHER_NAME, _ANOTHER_ADDRESS):
        return "is for another name"
    if code in _UNKNOWN_ISSUER:
        return "is signed by nobody whom this server trusts"
    return "is not accepted"
