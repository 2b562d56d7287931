package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// credentials are the files of one folder: a CA of its own, a token, and what clients read them from. A stand-in that
// finds them in its folder takes them over: to its clients it is the one before it, started again.
//
//	FOLDER/ca.crt  FOLDER/token  FOLDER/kubeconfig  FOLDER/serving.pem
//	FOLDER/serviceaccount/{ca.crt,token,namespace}   as in a pod
type credentials struct {
	folder      string
	authority   []byte // PEM
	token       string
	certificate tls.Certificate
}

// keptCredentials reads those of an earlier run; an error says that they are not there, or not whole.
func keptCredentials(folder string) (*credentials, error) {
	serving := filepath.Join(folder, servingFile)
	certificate, err := tls.LoadX509KeyPair(serving, serving)
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(filepath.Join(folder, "token"))
	if err != nil {
		return nil, err
	}
	return &credentials{folder: folder, token: string(token), authority: authority, certificate: certificate}, nil
}

// servingText is the server's certificate with its key.
func (c *credentials) servingText() (string, error) {
	key, err := x509.MarshalPKCS8PrivateKey(c.certificate.PrivateKey)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.certificate.Certificate[0]})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})), nil
}

func newCredentials(folder string, names []string) (*credentials, error) {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root := template("keelson-standin CA")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := template("kube-apiserver")
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range append([]string{"127.0.0.1", "::1", "localhost", "kubernetes.default.svc"}, names...) {
		if address := net.ParseIP(name); address != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, address)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, authorityKey)
	if err != nil {
		return nil, err
	}
	var token [16]byte
	rand.Read(token[:])
	return &credentials{folder: folder, token: hex.EncodeToString(token[:]),
		authority:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}),
		certificate: tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}}, nil
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(240 * time.Hour)}
}

const servingFile = "serving.pem"

const kubeconfigForm = `apiVersion: v1
kind: Config
clusters:
- name: standin
  cluster:
    server: %s
    certificate-authority: %s
users:
- name: admin
  user:
    tokenFile: %s
contexts:
- name: standin
  context: {cluster: standin, user: admin}
current-context: standin
`

func (c *credentials) write(url string) error {
	account := filepath.Join(c.folder, "serviceaccount")
	if err := os.MkdirAll(account, 0o755); err != nil {
		return err
	}
	serving, err := c.servingText()
	if err != nil {
		return err
	}
	kubeconfig := fmt.Sprintf(kubeconfigForm, url, filepath.Join(c.folder, "ca.crt"), filepath.Join(c.folder, "token"))
	for name, text := range map[string]string{"ca.crt": string(c.authority), "token": c.token,
		"kubeconfig": kubeconfig, servingFile: serving, "serviceaccount/ca.crt": string(c.authority), "serviceaccount/token": c.token,
		"serviceaccount/namespace": "keelson-system"} {
		if err := os.WriteFile(filepath.Join(c.folder, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
