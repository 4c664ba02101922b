/* An SDF device of no vendor: the structures and handles of GM/T 0018; the test computes. */
#include <string.h>
typedef struct { unsigned int bits; unsigned char x[64], y[64]; } ECCrefPublicKey;
typedef struct { unsigned char r[64], s[64]; } ECCSignature;
typedef int (*ask)(int, unsigned int, const unsigned char *, unsigned char *);
static ask answer; static int opened, sessions, right, fail_open, fail_session;
static char device, session;
void fake_set(ask given, int no_device, int no_session)
{ answer = given; fail_open = no_device; fail_session = no_session; right = 0; }
int fake_open(void) { return opened * 100 + sessions; }
int SDF_OpenDevice(void **out) { if (fail_open) return 0x01000005; opened++; *out = &device; return 0; }
int SDF_CloseDevice(void *it) { if (it != &device) return 1; opened--; return 0; }
int SDF_OpenSession(void *it, void **out)
{ if (it != &device || fail_session) return 0x01000006; sessions++; *out = &session; return 0; }
int SDF_CloseSession(void *it) { if (it != &session) return 1; sessions--; return 0; }
int SDF_GetPrivateKeyAccessRight(void *it, unsigned int at, unsigned char *word, unsigned int size)
{ if (it != &session || size != 6 || memcmp(word, "secret", 6)) return 0x01000007; right = at; return 0; }
int SDF_ReleasePrivateKeyAccessRight(void *it, unsigned int at) { right = 0; return it != &session; }
int SDF_ExportSignPublicKey_ECC(void *it, unsigned int at, ECCrefPublicKey *key)
{ unsigned char out[128]; int status; if (it != &session) return 1;
  memset(out, 0, 128); status = answer(0, at, 0, out); key->bits = 256;
  memcpy(key->x, out, 64); memcpy(key->y, out + 64, 64); return status; }
int SDF_InternalSign_ECC(void *it, unsigned int at, unsigned char *e, unsigned int size, ECCSignature *made)
{ unsigned char out[128]; int status; if (it != &session || size != 32) return 1;
  if (right != (int)at) return 0x01000007;
  memset(out, 0, 128); status = answer(1, at, e, out);
  memcpy(made->r, out, 64); memcpy(made->s, out + 64, 64); return status; }
int SDF_ExternalVerify_ECC(void *it, unsigned int alg, ECCrefPublicKey *key, unsigned char *e,
                           unsigned int size, ECCSignature *made)
{ unsigned char in[288]; if (it != &session || size != 32 || key->bits != 256) return 1;
  memcpy(in, e, 32); memcpy(in + 32, key->x, 64); memcpy(in + 96, key->y, 64);
  memcpy(in + 160, made->r, 64); memcpy(in + 224, made->s, 64); return answer(2, alg, in, 0); }
