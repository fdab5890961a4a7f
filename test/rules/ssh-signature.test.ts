import { describe, expect, it } from "vitest";
import { isSignatureOf, publicKeys, readSshSignature, type SshSignature } from "../../src/rules/ssh-signature.ts";

/** Made by OpenSSH 9.2: `ssh-keygen -Y sign -n stopcode-rules`, and with `-n file -O hashalg=sha256`. */
const sha512 = `-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgEOdRJC708FTr0QCrEp3Egp0RqK
fol/l0xXiiaC1V10AAAAAOc3RvcGNvZGUtcnVsZXMAAAAAAAAABnNoYTUxMgAAAFMAAAAL
c3NoLWVkMjU1MTkAAABArkADqlMi/nOOuNAPyXlFLmZ9XfaMl5/7VoaOl2JdANKNKyetQC
wx8wa0gh1Bnkj78UGK5p/7UVBGw9uFo0DfBg==
-----END SSH SIGNATURE-----
`;
const sha256 = `-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgEOdRJC708FTr0QCrEp3Egp0RqK
fol/l0xXiiaC1V10AAAAAEZmlsZQAAAAAAAAAGc2hhMjU2AAAAUwAAAAtzc2gtZWQyNTUx
OQAAAECjh9haPI7490haFc98TuO0KZz/dbBDr/UDblMLGlpa0Zgi9yqQ1LtGT1MzRCUGVw
ro+e6QDQEHkmINYF+N0CIH
-----END SSH SIGNATURE-----
`;
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBDnUSQu9PBU69EAqxKdxIKdEain6Jf5dMV4omgtVddA";
const message = Buffer.from("what is signed\n");

const read = (text: string) => readSshSignature(text) as SshSignature;
const armoured = (blob: Uint8Array) =>
  `-----BEGIN SSH SIGNATURE-----\n${Buffer.from(blob).toString("base64")}\n-----END SSH SIGNATURE-----\n`;
const blob = Buffer.from(sha512.split("\n").slice(1, -2).join(""), "base64");

describe("an SSH signature", () => {
  it.each([
    [sha512, "stopcode-rules", "sha512"],
    [sha256, "file", "sha256"],
    [sha512.replaceAll("\n", "\r\n"), "stopcode-rules", "sha512"],
    [armoured(blob), "stopcode-rules", "sha512"],
  ])("of OpenSSH is read and found right (%#)", (text, namespace, hash) => {
    const signature = read(text);
    expect(signature).toMatchObject({ namespace, hash, publicKey: key });
    expect(isSignatureOf(signature, message)).toBe(true);
    expect(isSignatureOf(signature, Buffer.from("what is signed"))).toBe(false);
  });

  it("with any bit of it changed is refused, or is not right, or is of another key", () => {
    const verdicts = Array.from(blob, (byte, at) => {
      const signature = readSshSignature(armoured(blob.with(at, byte ^ 1)));
      if (typeof signature === "string") return "refused";
      return isSignatureOf(signature, message) ? "right" : "wrong";
    });
    expect(new Set(verdicts)).toEqual(new Set(["refused", "wrong"]));
  });

  it("cut off anywhere is refused", () => {
    for (let length = 0; length < blob.length; length++)
      expect(readSshSignature(armoured(blob.subarray(0, length)))).toMatch(/^it is (no SSH signature|cut off)$/);
  });

  it.each([
    ["", "it is no SSH signature"],
    [`${sha512}more`, "it is no SSH signature"],
    [armoured(blob.with(9, 2)), "its version is 2, and only 1 is known"],
    [
      armoured(Buffer.from(blob.toString("latin1").replace("sha512", "sha999"), "latin1")),
      "it is made over a hash by sha999",
    ],
  ])("that cannot be used says why (%#)", (text, reason) => {
    expect(readSshSignature(text)).toBe(reason);
  });
});

it("public keys are found in .pub files and lists of signers, and no others", () => {
  const text = [
    `${key} me@here`,
    `me@here namespaces="stopcode-rules" ${key.replace("IBDn", "IAAA")}`,
    `  # ${key}`,
    "ssh-rsa AAAAB3NzaC1yc2E= me",
    "sk-ssh-ed25519@openssh.com AAAAGnNr me",
  ].join("\n");
  expect(publicKeys(text)).toEqual([key, key.replace("IBDn", "IAAA")]);
});
