/** Which of the participants that an installation may do without there are. A payment gateway there always is. */
export interface Participants {
  carrier: boolean;
  points: boolean;
  cart: boolean;
}
