/** An invented customer. The domains end in `.example` and the numbers lie in the range kept free for fiction. */
export type SeedCustomer = { name: string; company: string; email: string; phone: string; notes: string };

/** Customer 1 is the first entry, and so on. */
export const SEED_CUSTOMERS: readonly SeedCustomer[] = [
  customer(1, 'Orla Quill', 'Quill & Daughters Lamps', 'Pays late, always apologises with biscuits.'),
  customer(2, 'Bastian Teapot', 'Teapot Logistics', 'Prefers to be called before noon.'),
  customer(3, 'Imke Sandpiper', 'Sandpiper Kites', 'On the yearly plan since the first day.'),
  customer(4, 'Tobias Fernweh', 'Fernweh Caravans', 'Writes from the road; answers may take a week.'),
  customer(5, 'Mirela Copperpot', 'Copperpot Bakeries', 'Eleven branches, one very patient accountant.'),
  customer(6, 'Jun Lanternfish', 'Lanternfish Diving', 'Refund of 2025 agreed with the lead.'),
  customer(7, 'Anselm Gearbox', 'Gearbox Bicycles', 'Asks for invoices on paper.'),
  customer(8, 'Pilar Moonmoss', 'Moonmoss Nurseries', 'Discount of 15 percent until the summer.'),
  customer(9, 'Kofi Brightwater', 'Brightwater Canoes', 'Beta tester of the mobile app.'),
  customer(10, 'Edda Nightingale', 'Nightingale Pianos', 'Contract ends in November; wants to talk about it.'),
  customer(11, 'Ravi Thimble', 'Thimble Tailors', 'Two accounts, to be merged one day.'),
  customer(12, 'Sunniva Icicle', 'Icicle Skates', 'Only reachable in winter.'),
  customer(13, 'Leopold Marmot', 'Marmot Mountain Huts', 'Connection over satellite, be brief.'),
  customer(14, 'Noor Saffron', 'Saffron Street Kitchens', 'Security questionnaire answered in March.'),
  customer(15, 'Gwen Halyard', 'Halyard Sailmakers', 'Has a sandbox account besides the real one.'),
  customer(16, 'Dmitri Pinecone', 'Pinecone Toys', 'Recalls the old logo fondly.'),
  customer(17, 'Adaeze Lighthouse', 'Lighthouse Letters', 'Wants every change announced a month ahead.'),
  customer(18, 'Matteo Windmill', 'Windmill Flour', 'Procurement goes through his sister.'),
  customer(19, 'Yuki Paperclip', 'Paperclip Stationers', 'Very exact bug reports. Be grateful.'),
  customer(20, 'Hedda Rainbarrel', 'Rainbarrel Gardens', 'Pilot of the sensor add-on.'),
  customer(21, 'Oskar Fiddlehead', 'Fiddlehead Violins', 'Speaks to us in verse now and then.'),
  customer(22, 'Zola Driftwood', 'Driftwood Surf School', 'Seasonal plan, May to September.'),
];

function customer(number: number, name: string, company: string, notes: string): SeedCustomer {
  const [first = '', last = ''] = name.toLowerCase().split(' ');
  return {
    name,
    company,
    email: `${first}@${last}.example`,
    phone: `+1-555-01${String(number).padStart(2, '0')}`,
    notes,
  };
}
