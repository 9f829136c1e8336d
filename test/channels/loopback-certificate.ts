/**
 * A certificate for 127.0.0.1 that no authority has signed, with its key; valid until 2126. For tests only: the key is
 * public. Made by `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500
 * -subj /CN=loopback -addext subjectAltName=IP:127.0.0.1`.
 */
export const LOOPBACK_CERTIFICATE = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgbOEQk1ZvNyvEDF1X
brQqjOl8vzG8eph2thlr2d5aF2+hRANCAAQ08JI4h19Mh6CXCj3i68vibHlPjnQZ
xyToOFzLWzfbLbR/IHFimryIhrBqGwpHD9bWrnPZBJuyQuEmg9SFOEjd
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBjzCCATSgAwIBAgIUAw7Yxwlc++VhHDKnoOIzvrVr4V0wCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIbG9vcGJhY2swIBcNMjYxMTIxMjE1MTU0WhgPMjEyNjEwMjgy
MTUxNTRaMBMxETAPBgNVBAMMCGxvb3BiYWNrMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAENPCSOIdfTIeglwo94uvL4mx5T450Gcck6Dhcy1s32y20fyBxYpq8iIaw
ahsKRw/W1q5z2QSbskLhJoPUhThI3aNkMGIwHQYDVR0OBBYEFE0WPe+3tNfnIX7C
k6l9yow5YJEsMB8GA1UdIwQYMBaAFE0WPe+3tNfnIX7Ck6l9yow5YJEsMA8GA1Ud
EwEB/wQFMAMBAf8wDwYDVR0RBAgwBocEfwAAATAKBggqhkjOPQQDAgNJADBGAiEA
k7pKq6jB1PCZs33L4eQypBqj2YqWrZLNVcuMzjA5KSwCIQDmpJyJ9AnEcm2eKnTO
djHxdHSXPwrcyiIzOR56Pj8G+A==
-----END CERTIFICATE-----
`,
};
