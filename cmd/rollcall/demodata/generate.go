//go:build ignore

// Generate writes the directory of the demo: an invented company, the same each time.
//
//	go run generate.go > directory.ldif
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
)

const (
	base    = "dc=larkspur,dc=example"
	company = "Larkspur Instruments"
	people  = 1200
)

var (
	given = strings.Fields(`Ada Aisha Alan Amara Anders Anja Arjun Astrid Beatriz Ben Birgit Bruno Carla Chen Clara Daan
		Dalia Diego Dorothea Edgar Elif Emeka Erik Esther Farah Felix Fiona Freya Gabriel Greta Hamid Hana Hugo Ida Ines Ivan
		Jamal Jana Jonas Julia Kai Karim Katarzyna Kofi Lars Layla Leon Lina Lucas Maja Marco Mariam Mateo Mei Milan Mira Nadia
		Niels Nina Noor Olga Omar Oscar Paula Pedro Petra Priya Quentin Rafael Ravi Rosa Ruth Samir Sanne Selma Simon Sofia Stefan
		Tara Theo Tomas Ulla Uma Viktor Vera Wanda Willem Xenia Yara Yusuf Zoe Zsofia`)
	family = strings.Fields(`Abara Almeida Andersen Bakker Baptiste Becker Bergman Bianchi Boateng Castillo Chowdhury Clarke
		Costa Dahl Demir Dubois Egede Eriksen Farouk Fischer Fontaine Garcia Gruber Haddad Hansen Hoffmann Horvat Ibrahim Ito Jansen
		Jensen Johnson Kaplan Keller Kimura Koch Kovacs Kowalski Kumar Larsen Laurent Lindqvist Lopez Madsen Mancini Martin Meyer
		Moreau Mwangi Nakamura Navarro Nguyen Nielsen Novak Okafor Olsen Osman Park Patel Peeters Pereira Petrov Popescu Quist Ramirez
		Rasmussen Rossi Sato Schmidt Schneider Silva Singh Sorensen Stein Suzuki Svensson Tanaka Thomsen Toth Vasquez Visser Vogel
		Wagner Weber Wilson Wolff Yilmaz Young Zeman Zhang Zimmermann`)
	departments = []string{"Engineering", "Research", "Data Platform", "Machine Learning", "Manufacturing", "Quality",
		"Sales", "Marketing", "Finance", "People", "Legal", "Support"}
	titles = []string{"Engineer", "Senior Engineer", "Analyst", "Senior Analyst", "Scientist", "Specialist", "Coordinator", "Manager"}
	sites  = []string{"Aarhus", "Bilbao", "Leiden", "Osaka", "Porto", "Turku"}
	// Teams are groups of a department's people; each department group holds its teams, nested.
	teams = []string{"Core", "Tools"}
)

type person struct {
	uid, given, family, department, dn string
	manager                            bool
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprintf(out, "# %s, an invented company. Made by generate.go; do not edit.\nversion: 1\n\n", company)
	entry(out, base, "objectClass: dcObject", "objectClass: organization", "dc: larkspur", "o: "+company)
	entry(out, "ou=people,"+base, "objectClass: organizationalUnit", "ou: people")
	entry(out, "ou=groups,"+base, "objectClass: organizationalUnit", "ou: groups")
	all := writePeople(out)
	writeGroups(out, all)
}

func writePeople(out *bufio.Writer) []person {
	r := rand.New(rand.NewPCG(7, 1907))
	seen := map[string]int{}
	var all []person
	for i := range people {
		p := person{given: pick(r, given), family: pick(r, family), department: departments[i%len(departments)], manager: i < len(departments)}
		p.uid = strings.ToLower(p.given + "." + p.family)
		if seen[p.uid]++; seen[p.uid] > 1 {
			p.uid += fmt.Sprint(seen[p.uid])
		}
		p.dn = "uid=" + p.uid + ",ou=people," + base
		title := pick(r, titles[:len(titles)-1])
		if p.manager {
			title = "Manager"
		}
		lines := []string{
			"objectClass: inetOrgPerson", "uid: " + p.uid, "cn: " + p.given + " " + p.family,
			"givenName: " + p.given, "sn: " + p.family, "mail: " + p.uid + "@larkspur.example",
			"title: " + title, "departmentNumber: " + p.department, fmt.Sprintf("employeeNumber: %d", 10_000+i),
			fmt.Sprintf("telephoneNumber: +45 5550 %04d", i), "l: " + pick(r, sites), "o: " + company,
		}
		if !p.manager {
			lines = append(lines, "manager: "+all[i%len(departments)].dn)
		}
		entry(out, p.dn, lines...)
		all = append(all, p)
	}
	return all
}

func writeGroups(out *bufio.Writer, all []person) {
	group := func(cn string, members []string) string {
		dn := "cn=" + cn + ",ou=groups," + base
		lines := []string{"objectClass: groupOfNames", "cn: " + cn}
		slices.Sort(members)
		for _, m := range members {
			lines = append(lines, "member: "+m)
		}
		entry(out, dn, lines...)
		return dn
	}
	var everyone, managers []string
	byDepartment := map[string][]string{}
	for _, p := range all {
		everyone = append(everyone, p.dn)
		byDepartment[p.department] = append(byDepartment[p.department], p.dn)
		if p.manager {
			managers = append(managers, p.dn)
		}
	}
	for _, d := range departments {
		members := byDepartment[d]
		parts := []string{members[0]}
		for i, t := range teams {
			half := members[1+i*len(members)/2:]
			half = half[:min(len(half), len(members)/2)]
			parts = append(parts, group(d+" "+t, slices.Clone(half)))
		}
		group(d, parts)
	}
	group("Everyone", everyone)
	group("Managers", managers)
	group("On Call", slices.Clone(append(byDepartment["Engineering"][:20:20], byDepartment["Support"][:20]...)))
	group("Data Readers", slices.Clone(append(byDepartment["Research"][:40:40], byDepartment["Machine Learning"]...)))
}

// entry writes one entry with a stable entryUUID made from its DN.
func entry(out *bufio.Writer, dn string, lines ...string) {
	sum := sha256.Sum256([]byte("larkspur " + dn))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // a version 8 UUID (RFC 9562 §5.8)
	fmt.Fprintf(out, "dn: %s\n%s\nentryUUID: %x-%x-%x-%x-%x\n\n", dn, strings.Join(lines, "\n"), sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }
